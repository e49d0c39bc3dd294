//! Prints what the in-process provider and a real duroxide runtime achieve together. Run in release
//! mode: `cargo run --release -p df-engine --example provider_speed`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use df_engine::provider::{
    MemoryProvider, ProviderConfig, Terminal, TerminalStatus, runtime_options,
};
use duroxide::providers::Provider;
use duroxide::runtime::Runtime;
use duroxide::runtime::registry::ActivityRegistry;
use duroxide::{ActivityContext, Client, OrchestrationContext, OrchestrationRegistry};
use tokio::sync::mpsc::{self, UnboundedReceiver};

const INSTANCES: usize = 1_000;
const STEPS: usize = 100;
const GENERATIONS: usize = 1_000;
const WAITING: usize = 10_000;
const WORKERS: usize = 64;

struct Engine {
    provider: Arc<MemoryProvider>,
    client: Client,
    runtime: Arc<Runtime>,
    ended: UnboundedReceiver<Terminal>,
    quiet: UnboundedReceiver<String>,
}

impl Engine {
    async fn start(config: ProviderConfig) -> Self {
        let provider = Arc::new(MemoryProvider::with_config(config));
        let (ended_sender, ended) = mpsc::unbounded_channel();
        let (quiet_sender, quiet) = mpsc::unbounded_channel();
        provider.on_terminal(ended_sender);
        provider.on_quiet(quiet_sender);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let store: Arc<dyn Provider> = provider.clone();
        let options = runtime_options(cores, WORKERS);
        let runtime =
            Runtime::start_with_options(store.clone(), activities(), orchestrations(), options)
                .await;
        Self {
            provider,
            client: Client::new(store),
            runtime,
            ended,
            quiet,
        }
    }

    /// Starts `count` instances and waits for their ends.
    async fn run(
        &mut self,
        prefix: &str,
        orchestration: &str,
        count: usize,
        input: usize,
    ) -> Duration {
        let began = Instant::now();
        for index in 0..count {
            let id = format!("{prefix}{index}@1");
            let started = self
                .client
                .start_orchestration(id, orchestration, input.to_string())
                .await;
            started.expect("the provider takes a start");
        }
        for _ in 0..count {
            let end = self.ended.recv().await.expect("the provider lives");
            assert_eq!(end.status, TerminalStatus::Completed, "{end:?}");
        }
        let took = began.elapsed();
        for index in 0..count {
            assert!(self.provider.remove_tree(&format!("{prefix}{index}@1")));
        }
        took
    }
}

fn activities() -> ActivityRegistry {
    ActivityRegistry::builder()
        .register("echo", |_: ActivityContext, input: String| async move {
            Ok(input)
        })
        .build()
}

fn orchestrations() -> OrchestrationRegistry {
    OrchestrationRegistry::builder()
        .register(
            "sequence",
            |ctx: OrchestrationContext, steps: String| async move {
                let steps: usize = steps.parse().map_err(|_| "not a number")?;
                for step in 0..steps {
                    ctx.schedule_activity("echo", step.to_string()).await?;
                }
                Ok(String::new())
            },
        )
        .register(
            "generations",
            |ctx: OrchestrationContext, left: String| async move {
                match left.parse::<usize>().map_err(|_| "not a number")? {
                    0 => Ok(String::new()),
                    left => ctx.continue_as_new((left - 1).to_string()).await,
                }
            },
        )
        .register("wait", |ctx: OrchestrationContext, _: String| async move {
            ctx.schedule_activity("echo", "before").await?;
            ctx.dequeue_event("wake").await;
            Ok(String::new())
        })
        .build()
}

#[tokio::main]
async fn main() {
    for (name, config) in [
        ("default", ProviderConfig::default()),
        ("complete", ProviderConfig::complete()),
    ] {
        println!("-- {name} configuration");
        let mut engine = Engine::start(config).await;
        measure_waiting(&mut engine).await;
        engine.run("warm", "sequence", INSTANCES, 1).await;
        measure(&mut engine).await;
        engine.runtime.clone().shutdown(Some(1_000)).await;
    }
}

async fn measure(engine: &mut Engine) {
    let took = best(engine, "one", "sequence", INSTANCES, 1).await;
    println!(
        "{INSTANCES} instances x 1 activity: {:.0} instances/s",
        INSTANCES as f64 / took.as_secs_f64()
    );
    let took = best(engine, "many", "sequence", 10_000, 1).await;
    println!(
        "10000 instances x 1 activity: {:.0} instances/s",
        10_000.0 / took.as_secs_f64()
    );
    let took = best(engine, "latency", "sequence", 1, 1).await;
    println!(
        "1 instance x 1 activity, start to end: {:.3} ms",
        took.as_secs_f64() * 1e3
    );
    for steps in [10, STEPS, 1_000] {
        let took = best(engine, "steps", "sequence", 1, steps).await;
        let each = took.as_secs_f64() * 1e6 / steps as f64;
        println!(
            "{steps} sequential activities: {:.2} ms, {each:.0} us each",
            took.as_secs_f64() * 1e3
        );
    }
    let took = best(engine, "batch", "sequence", 200, 10).await;
    println!(
        "200 instances x 10 activities: {:.0} activities/s",
        2_000.0 / took.as_secs_f64()
    );
    let took = best(engine, "again", "generations", 1, GENERATIONS).await;
    println!(
        "{GENERATIONS} continue-as-new: {:.2} ms",
        took.as_secs_f64() * 1e3
    );
}

/// How much memory a waiting instance takes; first of all, while the allocator has nothing to
/// reuse.
async fn measure_waiting(engine: &mut Engine) {
    let before = resident_bytes();
    let began = Instant::now();
    for index in 0..WAITING {
        let id = format!("wait{index}@1");
        engine
            .client
            .start_orchestration(id, "wait", "")
            .await
            .expect("the provider takes a start");
    }
    let mut quiet = 0;
    while quiet < WAITING {
        engine.quiet.recv().await.expect("the provider lives");
        quiet += 1;
    }
    let (after, took) = (resident_bytes(), began.elapsed());
    let each = after.saturating_sub(before) / WAITING as u64;
    println!("{WAITING} waiting instances: quiet after {took:?}, {each} bytes each");
    let began = Instant::now();
    for index in 0..WAITING {
        assert!(
            engine
                .provider
                .remove_tree_if_quiet(&format!("wait{index}@1"))
        );
    }
    println!("  removed in {:?}", began.elapsed());
}

/// The best of five runs.
async fn best(
    engine: &mut Engine,
    name: &str,
    orchestration: &str,
    count: usize,
    input: usize,
) -> Duration {
    let mut best = Duration::MAX;
    for run in 0..5 {
        best = best.min(
            engine
                .run(&format!("{name}{run}-"), orchestration, count, input)
                .await,
        );
    }
    best
}

/// This process's resident memory; 0 where the system does not tell.
fn resident_bytes() -> u64 {
    const PAGE_BYTES: u64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * PAGE_BYTES
}
