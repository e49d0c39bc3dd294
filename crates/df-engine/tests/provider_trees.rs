//! What the relay needs of the provider beyond duroxide's contract, at the level of single calls:
//! rest, end and removal of instance trees, and that waits end when they should.

mod support;

use std::sync::Arc;
use std::time::Duration;

use df_engine::provider::{MemoryProvider, Terminal, TerminalStatus};
use duroxide::providers::{
    Provider, ProviderAdmin, ScheduledActivityIdentifier, TagFilter, WorkItem,
};

use support::{CHILD, Fixture, LOCK, ROOT, Turn, activity, cancel, completed, start, timer};

const LONG_POLL: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_tree_rests_only_when_nothing_is_queued_locked_or_delayed() {
    let mut it = Fixture::new();
    assert!(
        !it.provider.is_quiet(ROOT),
        "an unknown tree is not at rest"
    );
    it.send(start(ROOT)).await;
    assert!(!it.provider.is_quiet(ROOT), "start queued");
    let (_, token) = it.fetch().await.expect("the start is due");
    assert!(!it.provider.is_quiet(ROOT), "turn locked");
    let turn = Turn {
        work: vec![activity(ROOT, 2)],
        ..Turn::first()
    };
    it.ack(&token, ROOT, turn).await.expect("the ack is taken");
    assert!(!it.provider.is_quiet(ROOT), "activity queued");
    let token = it.fetch_work().await.expect("the activity is due");
    assert!(!it.provider.is_quiet(ROOT), "activity locked");
    it.provider
        .ack_work_item(&token, Some(completed(ROOT, 2)))
        .await
        .expect("the ack is taken");
    assert!(!it.provider.is_quiet(ROOT), "completion queued");
    it.turn(
        ROOT,
        Turn {
            sent: vec![timer(ROOT, u64::MAX)],
            ..Turn::later()
        },
    )
    .await;
    assert!(!it.provider.is_quiet(ROOT), "timer set");
    assert!(
        it.quiet.try_recv().is_err(),
        "it has not come to rest so far"
    );

    let mut it = Fixture::new();
    it.start_waiting(ROOT).await;
    assert!(it.provider.is_quiet(ROOT));
    assert_eq!(it.quiet.try_recv().expect("rest is told"), ROOT);
    assert!(it.quiet.try_recv().is_err(), "and told once");
}

#[tokio::test]
async fn an_abandoned_turn_or_activity_is_still_pending() {
    let mut it = Fixture::new();
    it.start_with_activity().await;
    let token = it.fetch_work().await.expect("the activity is due");
    let delay = Some(Duration::from_secs(5));
    it.provider
        .abandon_work_item(&token, delay, false)
        .await
        .expect("it is abandoned");
    assert!(!it.provider.is_quiet(ROOT));
    it.send(cancel(ROOT)).await;
    let (_, token) = it.fetch().await.expect("the cancel is due");
    it.provider
        .abandon_orchestration_item(&token, delay, false)
        .await
        .expect("it is abandoned");
    assert!(!it.provider.is_quiet(ROOT));
    assert!(it.quiet.try_recv().is_err());
    assert!(it.provider.remove_tree(ROOT));
    assert!(it.fetch().await.is_none() && it.fetch_work().await.is_none());
}

#[tokio::test]
async fn a_childs_work_keeps_the_tree_busy() {
    let mut it = Fixture::new();
    it.start_with_child().await;
    assert!(!it.provider.is_quiet(ROOT));
    it.turn(
        CHILD,
        Turn {
            work: vec![activity(CHILD, 2)],
            ..Turn::first()
        },
    )
    .await;
    let token = it.fetch_work().await.expect("the activity is due");
    assert!(!it.provider.is_quiet(ROOT));
    assert!(it.quiet.try_recv().is_err());
    it.provider
        .ack_work_item(&token, None)
        .await
        .expect("the ack is taken");
    assert!(it.provider.is_quiet(ROOT));
    assert_eq!(it.quiet.try_recv().expect("rest is told"), ROOT);
}

#[tokio::test]
async fn a_child_that_has_ended_can_be_dropped_and_leaves_the_tree_as_it_was() {
    let mut it = Fixture::new();
    let (sender, mut ended) = tokio::sync::mpsc::unbounded_channel();
    it.provider.on_child_ended(sender);
    it.start_with_child().await;
    assert!(!it.provider.remove_ended_child(CHILD), "it has not ended");
    let status = Some("Completed");
    it.turn(
        CHILD,
        Turn {
            status,
            ..Turn::first()
        },
    )
    .await;
    assert_eq!(ended.try_recv().expect("its end is told"), CHILD);
    assert_eq!(it.quiet.try_recv().expect("rest is told"), ROOT);
    // A message that came too late for it is all that keeps the tree from rest.
    it.send(completed(CHILD, 2)).await;
    assert!(!it.provider.is_quiet(ROOT));
    assert!(it.provider.remove_ended_child(CHILD));
    assert_eq!(it.provider.stored_count(), 1, "the root is left");
    assert!(it.provider.is_quiet(ROOT));
    assert_eq!(it.quiet.try_recv().expect("rest is told again"), ROOT);
    assert!(
        !it.provider.remove_ended_child(ROOT),
        "a root is no child of anybody"
    );
    assert!(it.provider.remove_tree(ROOT));
    assert_eq!(it.provider.stored_count(), 0);
}

#[tokio::test]
async fn the_end_of_a_root_is_told_and_rest_after_it_is_not() {
    for (status, expected) in [
        ("Completed", TerminalStatus::Completed),
        ("Failed", TerminalStatus::Failed),
    ] {
        let mut it = Fixture::new();
        it.start_with_child().await;
        it.turn(
            CHILD,
            Turn {
                status: Some(status),
                ..Turn::first()
            },
        )
        .await;
        assert!(
            it.ended.try_recv().is_err(),
            "a child's end is its parent's business"
        );
        assert_eq!(it.quiet.try_recv().expect("rest is told"), ROOT);
        assert_eq!(it.provider.live_roots(), [ROOT]);
        it.send(cancel(ROOT)).await;
        let sent = vec![timer(ROOT, u64::MAX)];
        it.turn(
            ROOT,
            Turn {
                status: Some(status),
                sent,
                ..Turn::later()
            },
        )
        .await;
        let output = "the output".to_owned();
        let end = Terminal {
            root: ROOT.to_owned(),
            status: expected,
            output,
        };
        assert_eq!(it.ended.try_recv().expect("the end is told"), end);
        assert!(it.quiet.try_recv().is_err());
        assert!(it.provider.live_roots().is_empty());
        assert!(
            it.provider.is_quiet(ROOT),
            "a timer nobody waits for does not count"
        );
        assert!(it.provider.remove_tree_if_quiet(ROOT));
    }
}

#[tokio::test]
async fn acks_after_remove_are_refused_for_good_and_bring_nothing_back() {
    let it = Fixture::new();
    it.start_with_activity().await;
    let work = it.fetch_work().await.expect("the activity is due");
    it.send(start(CHILD)).await;
    let (_, turn) = it.fetch().await.expect("the child's start is due");
    assert!(it.provider.remove_tree(ROOT));
    assert!(!it.provider.remove_tree(ROOT), "there is nothing left");

    let sent = vec![start("abcd1234@7/root.right")];
    let result = Turn {
        work: vec![activity(CHILD, 2)],
        sent,
        ..Turn::first()
    };
    assert_eq!(it.ack(&turn, CHILD, result).await, Err(false));
    let provider = &it.provider;
    let refusals = [
        provider
            .ack_work_item(&work, Some(completed(ROOT, 2)))
            .await,
        provider.renew_work_item_lock(&work, LOCK).await,
        provider.abandon_work_item(&work, None, false).await,
        provider.renew_orchestration_item_lock(&turn, LOCK).await,
        provider
            .abandon_orchestration_item(&turn, None, false)
            .await,
    ];
    for refusal in refusals {
        assert!(!refusal.expect_err("the token is dead").is_retryable());
    }
    assert!(it.fetch().await.is_none() && it.fetch_work().await.is_none());
    assert!(provider.live_roots().is_empty());
    assert!(
        provider
            .list_instances()
            .await
            .expect("listing works")
            .is_empty()
    );
    let depths = provider.get_queue_depths().await.expect("counting works");
    assert_eq!((depths.orchestrator_queue, depths.worker_queue), (0, 0));
}

#[tokio::test]
async fn a_removed_id_starts_afresh_and_old_tokens_do_not_touch_it() {
    let it = Fixture::new();
    it.start_with_activity().await;
    let old_work = it.fetch_work().await.expect("the activity is due");
    it.send(cancel(ROOT)).await;
    let (_, old_turn) = it.fetch().await.expect("the cancel is due");
    assert!(it.provider.remove_tree(ROOT));

    it.start_with_activity().await;
    assert_eq!(it.ack(&old_turn, ROOT, Turn::later()).await, Err(false));
    let late = it
        .provider
        .ack_work_item(&old_work, Some(completed(ROOT, 2)))
        .await;
    assert!(late.is_err());
    let token = it.fetch_work().await.expect("the new activity is due");
    it.provider
        .ack_work_item(&token, Some(completed(ROOT, 2)))
        .await
        .expect("the ack is taken");
    it.turn(
        ROOT,
        Turn {
            status: Some("Completed"),
            ..Turn::later()
        },
    )
    .await;
    let events = it.provider.read(ROOT).await.expect("reading works");
    assert_eq!(events.len(), 1, "the first life left no events");
}

#[tokio::test]
async fn removal_takes_the_tree_and_nothing_else() {
    let it = Fixture::new();
    let others = ["abcd1234@77", "abcd1234", "abcd1234@7:x/root.left"];
    for id in [ROOT, CHILD].iter().chain(&others) {
        it.start_waiting(id).await;
    }
    assert!(
        !it.provider.remove_tree(CHILD),
        "a child is not removed alone"
    );
    assert!(it.provider.remove_tree(ROOT));
    let mut left = it.provider.list_instances().await.expect("listing works");
    let mut expected = others.map(str::to_owned);
    left.sort();
    expected.sort();
    assert_eq!(left, expected);
}

#[tokio::test]
async fn a_busy_tree_is_not_removed_if_quiet() {
    let it = Fixture::new();
    it.start_with_activity().await;
    assert!(!it.provider.remove_tree_if_quiet(ROOT));
    let token = it.fetch_work().await.expect("the activity is due");
    it.provider
        .ack_work_item(&token, None)
        .await
        .expect("the ack is taken");
    assert!(it.provider.remove_tree_if_quiet(ROOT));
    assert!(!it.provider.remove_tree_if_quiet(ROOT), "it is gone");
}

#[tokio::test]
async fn executions_before_the_current_one_are_dropped() {
    let it = Fixture::new();
    it.send(start(ROOT)).await;
    for execution in 1..=50 {
        let next = WorkItem::ContinueAsNew {
            instance: ROOT.to_owned(),
            orchestration: "walk".to_owned(),
            input: String::new(),
            version: None,
            parent_instance: None,
            parent_id: None,
            parent_execution_id: None,
            carry_forward_events: Vec::new(),
            initial_custom_status: None,
        };
        let sent = vec![next];
        let turn = Turn {
            execution,
            sent,
            status: Some("ContinuedAsNew"),
            ..Turn::first()
        };
        it.turn(ROOT, turn).await;
    }
    assert_eq!(
        it.provider
            .list_executions(ROOT)
            .await
            .expect("listing works"),
        [50]
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancel_sent_ahead_waits_for_its_start_but_not_for_ever() {
    let it = Fixture::new();
    it.send(cancel(ROOT)).await;
    assert!(it.fetch().await.is_none(), "nothing can be cancelled yet");
    assert!(it.provider.live_roots().is_empty());
    it.start_waiting(ROOT).await;
    assert!(it.provider.is_quiet(ROOT), "both were taken in one turn");
    assert!(it.provider.remove_tree(ROOT));

    it.send(cancel(ROOT)).await;
    tokio::time::advance(Duration::from_secs(61)).await;
    assert!(it.fetch().await.is_none());
    assert!(
        !it.provider.remove_tree(ROOT),
        "it was dropped with its instance"
    );
}

/// A root whose first turn scheduled `count` activities, all of which run; their results may wait.
async fn running(count: u64) -> (Fixture, Vec<String>) {
    let it = Fixture::new();
    it.provider.hold_back(str::is_empty);
    it.send(start(ROOT)).await;
    let work = (2..2 + count).map(|id| activity(ROOT, id)).collect();
    let first = Turn::first();
    it.turn(ROOT, Turn { work, ..first }).await;
    let mut tokens = Vec::new();
    for _ in 0..count {
        tokens.push(it.fetch_work().await.expect("an activity is due"));
    }
    (it, tokens)
}

async fn ack(it: &Fixture, token: &str, completion: Option<WorkItem>) {
    let acked = it.provider.ack_work_item(token, completion).await;
    acked.expect("the ack is taken");
}

#[tokio::test]
async fn completions_that_may_wait_are_one_turn() {
    let (mut it, tokens) = running(3).await;
    ack(&it, &tokens[0], Some(completed(ROOT, 2))).await;
    ack(&it, &tokens[1], Some(completed(ROOT, 3))).await;
    assert!(it.fetch().await.is_none(), "one is still running");
    ack(&it, &tokens[2], Some(completed(ROOT, 4))).await;
    it.turn(ROOT, Turn::later()).await;
    assert!(it.fetch().await.is_none(), "one turn for all");
    assert_eq!(it.quiet.try_recv().expect("nothing is left"), ROOT);
}

#[tokio::test]
async fn an_activity_that_is_the_end_of_its_tree_ends_it_without_a_turn() {
    let (mut it, tokens) = running(1).await;
    it.provider.end_with(str::is_empty);
    ack(&it, &tokens[0], Some(completed(ROOT, 2))).await;
    let told = it.ended.try_recv().expect("the end is told");
    assert_eq!((&*told.root, &*told.output), (ROOT, ""));
    assert_eq!(told.status, TerminalStatus::Completed);
    assert!(
        it.fetch().await.is_none(),
        "there is nothing to run a turn for"
    );
    assert_eq!(it.provider.stored_count(), 0);
    assert!(it.quiet.try_recv().is_err(), "what has ended does not rest");
    // The id can be started afresh at once.
    it.start_waiting(ROOT).await;

    // In a child it ends the root, too.
    let mut it = Fixture::new();
    it.provider.end_with(str::is_empty);
    it.start_with_child().await;
    let work = vec![activity(CHILD, 2)];
    it.turn(
        CHILD,
        Turn {
            work,
            ..Turn::first()
        },
    )
    .await;
    let token = it.fetch_work().await.expect("the activity is due");
    ack(&it, &token, Some(completed(CHILD, 2))).await;
    assert_eq!(it.ended.try_recv().expect("the end is told").root, ROOT);
    assert_eq!(it.provider.stored_count(), 0);
}

#[tokio::test]
async fn an_activity_is_no_end_beside_whatever_else_is_under_way() {
    // Beside another activity, and beside a message.
    for message in [false, true] {
        let (mut it, tokens) = running(2 - u64::from(message)).await;
        it.provider.end_with(str::is_empty);
        if message {
            it.send(cancel(ROOT)).await;
        }
        ack(&it, &tokens[0], Some(completed(ROOT, 2))).await;
        assert!(it.ended.try_recv().is_err());
        if !message {
            ack(&it, &tokens[1], None).await;
        }
        it.turn(ROOT, Turn::later()).await;
    }
}

#[tokio::test]
async fn what_was_held_goes_with_whatever_comes_first() {
    let failed = WorkItem::ActivityFailed {
        instance: ROOT.to_owned(),
        execution_id: 1,
        id: 3,
        details: duroxide::ErrorDetails::Infrastructure {
            operation: String::new(),
            message: String::new(),
            retryable: false,
        },
    };
    // Another's failure, one of which nothing comes, and a message.
    for last in [Some(failed), None] {
        let (it, tokens) = running(2).await;
        ack(&it, &tokens[0], Some(completed(ROOT, 2))).await;
        assert!(it.fetch().await.is_none(), "{last:?}");
        ack(&it, &tokens[1], last).await;
        it.turn(ROOT, Turn::later()).await;
        assert!(it.provider.is_quiet(ROOT));
    }
    let (it, tokens) = running(2).await;
    ack(&it, &tokens[0], Some(completed(ROOT, 2))).await;
    it.send(cancel(ROOT)).await;
    it.turn(ROOT, Turn::later()).await;
    assert!(it.fetch().await.is_none(), "it went with the message");
}

#[tokio::test]
async fn a_turn_that_drops_what_others_wait_for_lets_them_go() {
    let (it, tokens) = running(2).await;
    it.send(cancel(ROOT)).await;
    let (_, turn) = it.fetch().await.expect("the cancel is due");
    ack(&it, &tokens[0], Some(completed(ROOT, 2))).await;
    let other = ScheduledActivityIdentifier {
        instance: ROOT.to_owned(),
        execution_id: 1,
        activity_id: 3,
    };
    let acked = it.provider.ack_orchestration_item(
        &turn,
        1,
        Vec::new(),
        Vec::new(),
        Vec::new(),
        Default::default(),
        vec![other],
    );
    acked.await.expect("the ack is taken");
    it.turn(ROOT, Turn::later()).await;
    assert!(it.provider.is_quiet(ROOT));
}

#[tokio::test(start_paused = true)]
async fn a_parked_fetch_ends_as_soon_as_something_is_due() {
    let it = Fixture::new();
    it.start_waiting(ROOT).await;
    let fetch = |provider: Arc<MemoryProvider>| async move {
        let fetched = provider
            .fetch_orchestration_item(LOCK, LONG_POLL, None)
            .await;
        fetched.expect("fetching works").map(|(_, token, _)| token)
    };
    let parked = tokio::spawn(fetch(it.provider.clone()));
    tokio::task::yield_now().await;
    let began = tokio::time::Instant::now();
    let delay = Some(Duration::from_secs(5));
    it.provider
        .enqueue_for_orchestrator(cancel(ROOT), delay)
        .await
        .expect("it is taken");
    let token = parked
        .await
        .expect("no panic")
        .expect("the delayed message comes");
    assert_eq!(began.elapsed().as_secs(), 5);

    // The lock of a turn that nobody finishes lapses into a new delivery.
    let again = fetch(it.provider.clone())
        .await
        .expect("it is delivered again");
    assert_eq!(began.elapsed().as_secs(), 5 + LOCK.as_secs());
    assert_ne!(again, token);
    assert_eq!(
        it.ack(&token, ROOT, Turn::later()).await,
        Err(false),
        "the lapsed token is dead"
    );
    assert_eq!(it.ack(&again, ROOT, Turn::later()).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn each_item_wakes_a_worker_that_may_take_it() {
    let it = Fixture::new();
    let park = |tags: TagFilter| {
        let provider = it.provider.clone();
        tokio::spawn(async move {
            let fetched = provider.fetch_work_item(LOCK, LONG_POLL, None, &tags).await;
            fetched.expect("fetching works").is_some()
        })
    };
    let parked = [
        park(TagFilter::default()),
        park(TagFilter::tags(["gpu"])),
        park(TagFilter::tags(["gpu"])),
        park(TagFilter::default()),
    ];
    tokio::task::yield_now().await;
    let began = tokio::time::Instant::now();
    for (id, tag) in [(1, Some("gpu")), (2, None), (3, None), (4, Some("gpu"))] {
        let mut item = activity(ROOT, id);
        if let WorkItem::ActivityExecute { tag: of, .. } = &mut item {
            *of = tag.map(str::to_owned);
        }
        it.provider
            .enqueue_for_worker(item)
            .await
            .expect("it is taken");
    }
    for worker in parked {
        assert!(worker.await.expect("no panic"), "every worker got its item");
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}
