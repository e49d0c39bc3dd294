//! The provider under a real duroxide runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use df_engine::provider::{MemoryProvider, Terminal, TerminalStatus, runtime_options};
use duroxide::providers::{Provider, ProviderAdmin, ScheduledActivityIdentifier};
use duroxide::runtime::Runtime;
use duroxide::runtime::registry::{ActivityRegistry, ActivityRegistryBuilder};
use duroxide::{
    ActivityContext, Client, Either2, OrchestrationContext, OrchestrationRegistry,
    OrchestrationRegistryBuilder, OrchestrationStatus,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Long enough for anything here, on any machine.
const PATIENCE: Duration = Duration::from_secs(30);

struct Engine {
    provider: Arc<MemoryProvider>,
    client: Client,
    runtime: Arc<Runtime>,
    quiet: mpsc::UnboundedReceiver<String>,
    ended: mpsc::UnboundedReceiver<Terminal>,
    dropped: mpsc::UnboundedReceiver<ScheduledActivityIdentifier>,
}

impl Engine {
    async fn start(
        activities: ActivityRegistryBuilder,
        orchestrations: OrchestrationRegistryBuilder,
    ) -> Self {
        let provider = Arc::new(MemoryProvider::new());
        let (quiet_sender, quiet) = mpsc::unbounded_channel();
        let (ended_sender, ended) = mpsc::unbounded_channel();
        provider.on_quiet(quiet_sender);
        let (dropped_sender, dropped) = mpsc::unbounded_channel();
        provider.on_terminal(ended_sender);
        provider.on_dropped(dropped_sender);
        let store: Arc<dyn Provider> = provider.clone();
        let (activities, orchestrations) = (activities.build(), orchestrations.build());
        let options = runtime_options(2, 16);
        let runtime =
            Runtime::start_with_options(store.clone(), activities, orchestrations, options).await;
        let client = Client::new(store);
        Self {
            provider,
            client,
            runtime,
            quiet,
            ended,
            dropped,
        }
    }

    async fn begin(&self, id: &str, orchestration: &str) {
        self.client
            .start_orchestration(id, orchestration, "")
            .await
            .expect("a start is taken");
    }

    async fn wake(&self, id: &str) {
        self.client
            .enqueue_event(id, "wake", "")
            .await
            .expect("an event is taken");
    }

    async fn next_quiet(&mut self) -> String {
        timeout(PATIENCE, self.quiet.recv())
            .await
            .expect("in time")
            .expect("the hook lives")
    }

    async fn next_end(&mut self) -> Terminal {
        timeout(PATIENCE, self.ended.recv())
            .await
            .expect("in time")
            .expect("the hook lives")
    }

    async fn stop(self) {
        self.runtime.shutdown(Some(1_000)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roots_rest_wake_and_end() {
    let orchestrations = OrchestrationRegistry::builder()
        .register("wait", |ctx: OrchestrationContext, _: String| async move {
            ctx.dequeue_event("wake").await;
            Ok("woken".to_owned())
        })
        .register("fail", |_: OrchestrationContext, _: String| async move {
            Err::<String, _>("broken".to_owned())
        });
    let mut engine = Engine::start(ActivityRegistry::builder(), orchestrations).await;
    engine.begin("a@1", "wait").await;
    assert_eq!(engine.next_quiet().await, "a@1");
    engine.wake("a@1").await;
    let end = engine.next_end().await;
    assert_eq!(
        (end.status, end.output.as_str()),
        (TerminalStatus::Completed, "woken")
    );
    engine.begin("b@1", "fail").await;
    let end = engine.next_end().await;
    assert_eq!(
        (end.status, end.root.as_str()),
        (TerminalStatus::Failed, "b@1")
    );
    assert!(end.output.contains("broken"), "{end:?}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_lost_a_race_is_cancelled_with_its_activity() {
    const CHILD: &str = "a@1/root.right";
    let (told, mut cancelled) = mpsc::unbounded_channel();
    let activities = ActivityRegistry::builder()
        .register("quick", |_: ActivityContext, _: String| async move {
            Ok(String::new())
        })
        .register("slow", move |ctx: ActivityContext, _: String| {
            let told = told.clone();
            async move {
                told.send("running").map_err(|error| error.to_string())?;
                ctx.cancelled().await;
                told.send("cancelled").map_err(|error| error.to_string())?;
                Ok(String::new())
            }
        });
    let orchestrations = OrchestrationRegistry::builder()
        .register("race", |ctx: OrchestrationContext, _: String| async move {
            let left = async {
                ctx.dequeue_event("wake").await;
                ctx.schedule_activity("quick", "").await
            };
            let right = ctx.schedule_sub_orchestration_with_id("child", CHILD, "");
            match ctx.select2(left, right).await {
                Either2::First(_) => ctx.dequeue_event("wake").await,
                Either2::Second(_) => return Err("the child won".to_owned()),
            };
            Ok(String::new())
        })
        .register("child", |ctx: OrchestrationContext, _: String| async move {
            ctx.schedule_activity("slow", "").await
        });
    let mut engine = Engine::start(activities, orchestrations).await;
    engine.begin("a@1", "race").await;
    let next = timeout(PATIENCE, cancelled.recv()).await.expect("in time");
    assert_eq!(next, Some("running"));
    engine.wake("a@1").await;
    let began = std::time::Instant::now();
    assert_eq!(engine.next_quiet().await, "a@1");
    println!(
        "the tree came to rest {:?} after the race was woken",
        began.elapsed()
    );
    let info = engine
        .provider
        .get_instance_info(CHILD)
        .await
        .expect("the child is known");
    assert_eq!(info.status, "Failed", "{info:?}");
    assert!(info.output.expect("it has an error").contains("canceled"));
    let dropped = engine
        .dropped
        .try_recv()
        .expect("it is told before the tree rests");
    assert_eq!(dropped.instance, CHILD);
    let next = timeout(PATIENCE, cancelled.recv()).await.expect("in time");
    assert_eq!(next, Some("cancelled"));
    println!("the activity noticed after {:?}", began.elapsed());
    engine.wake("a@1").await;
    assert_eq!(engine.next_end().await.status, TerminalStatus::Completed);
    engine.stop().await;
}

/// The events after the end (here the cancellation of a forgotten activity) must not hide it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_sees_an_end_that_left_an_activity_running() {
    let activities = ActivityRegistry::builder().register(
        "slow",
        |ctx: ActivityContext, _: String| async move {
            ctx.cancelled().await;
            Ok(String::new())
        },
    );
    let orchestrations = OrchestrationRegistry::builder().register(
        "forget",
        |ctx: OrchestrationContext, _: String| async move {
            let slow = ctx.schedule_activity("slow", "");
            match ctx.select2(ctx.dequeue_event("wake"), slow).await {
                Either2::First(_) => Ok("woken".to_owned()),
                Either2::Second(_) => Err("the activity won".to_owned()),
            }
        },
    );
    let mut engine = Engine::start(activities, orchestrations).await;
    engine.begin("a@1", "forget").await;
    while engine.provider.get_instance_info("a@1").await.is_err() {
        tokio::task::yield_now().await;
    }
    engine.wake("a@1").await;
    assert_eq!(engine.next_end().await.output, "woken");
    let status = engine
        .client
        .get_orchestration_status("a@1")
        .await
        .expect("reading works");
    assert!(
        matches!(status, OrchestrationStatus::Completed { .. }),
        "{status:?}"
    );
    let events = engine
        .provider
        .read_history("a@1")
        .await
        .expect("reading works");
    assert!(events.len() > 3, "the management read is whole: {events:?}");
    engine.stop().await;
}

/// Trees with children and activities are removed and started again at random moments; whatever is
/// left at the end rests, ends and is removed, and then nothing at all is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removal_at_any_moment_leaves_nothing_behind() {
    const ROOTS: u64 = 50;
    const REMOVALS: u64 = 3_000;
    static STEPS: AtomicU64 = AtomicU64::new(0);
    let activities =
        ActivityRegistry::builder().register("step", |_: ActivityContext, _: String| async move {
            STEPS.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(String::new())
        });
    let orchestrations = OrchestrationRegistry::builder()
        .register("tree", |ctx: OrchestrationContext, _: String| async move {
            let id = ctx.instance_id().to_owned();
            let left = ctx.schedule_sub_orchestration_with_id("leaf", format!("{id}/left"), "");
            let right = ctx.schedule_sub_orchestration_with_id("leaf", format!("{id}/right"), "");
            let (left, right) = ctx.join2(left, right).await;
            left.and(right)?;
            ctx.schedule_timer(Duration::from_millis(1)).await;
            ctx.dequeue_event("wake").await;
            Ok(String::new())
        })
        .register("leaf", |ctx: OrchestrationContext, _: String| async move {
            ctx.schedule_activity("step", "").await?;
            ctx.schedule_activity("step", "").await
        });
    let mut engine = Engine::start(activities, orchestrations).await;
    let name = |index: u64| format!("t{index}@1");
    for index in 0..ROOTS {
        engine.begin(&name(index), "tree").await;
    }
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..REMOVALS {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let id = name(random % ROOTS);
        assert!(engine.provider.remove_tree(&id));
        engine.begin(&id, "tree").await;
        // Some removals hit fresh trees, some trees in the middle, some at rest.
        match random >> 8 & 0xf {
            0 => drop(engine.next_quiet().await),
            1..8 => tokio::task::yield_now().await,
            _ => {}
        }
    }
    for index in 0..ROOTS {
        while !engine.provider.is_quiet(&name(index)) {
            engine.next_quiet().await;
        }
    }
    assert_eq!(engine.provider.live_roots().len(), ROOTS as usize);
    for index in 0..ROOTS {
        engine.wake(&name(index)).await;
        let end = engine.next_end().await;
        assert_eq!(end.status, TerminalStatus::Completed, "{end:?}");
        assert!(engine.provider.remove_tree_if_quiet(&end.root));
    }
    println!("{} activities ran", STEPS.load(Ordering::Relaxed));
    let metrics = engine
        .provider
        .get_system_metrics()
        .await
        .expect("counting works");
    let depths = engine
        .provider
        .get_queue_depths()
        .await
        .expect("counting works");
    assert_eq!((metrics.total_instances, metrics.total_events), (0, 0));
    assert_eq!((depths.orchestrator_queue, depths.worker_queue), (0, 0));
    engine.stop().await;
}
