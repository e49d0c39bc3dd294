//! The export of spans, against a collector in this process that decodes what it is sent.

use std::collections::BTreeMap;

use nix::sys::signal::Signal;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;

use crate::support::{Process, Request, Role, TestDb, Web};

/// What one exported span says.
#[derive(Debug)]
struct Span {
    service: String,
    name: String,
    attributes: BTreeMap<String, String>,
    is_error: bool,
    took_nanos: u64,
}

impl Span {
    /// Its ids and its end in one line.
    fn line(&self) -> String {
        let keys = ["run_path", "attempt", "node_type", "end", "sqlstate"];
        let values = keys.iter().filter_map(|key| self.attributes.get(*key));
        values.cloned().collect::<Vec<_>>().join(" ")
    }
}

fn attributes(from: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &KeyValue| match value.value.as_ref().and_then(|any| any.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    let pairs = from.iter().map(|pair| (pair.key.clone(), text(pair)));
    pairs.collect()
}

/// The spans of every request so far.
fn spans(requests: &[Request]) -> Vec<Span> {
    let mut spans = Vec::new();
    for request in requests {
        let body = ExportTraceServiceRequest::decode(request.bytes.as_slice());
        for resource in body.expect("a request of OTLP").resource_spans {
            let about = resource.resource.expect("a resource");
            let service = attributes(&about.attributes)["service.name"].clone();
            for span in resource
                .scope_spans
                .into_iter()
                .flat_map(|scope| scope.spans)
            {
                let is_error = span
                    .status
                    .is_some_and(|s| s.code == StatusCode::Error as i32);
                spans.push(Span {
                    service: service.clone(),
                    name: span.name,
                    attributes: attributes(&span.attributes),
                    is_error,
                    took_nanos: span.end_time_unix_nano - span.start_time_unix_nano,
                });
            }
        }
    }
    spans
}

async fn run(db: &TestDb, alice: &Role, expression: &str) -> String {
    let id = alice.text(&format!("select df.start({expression})")).await;
    let id = id.expect("an instance id");
    db.ended(&id).await;
    id
}

fn exporting(db: &TestDb, collector: &Web, more: &[(&str, &str)]) -> Process {
    let (endpoint, url) = (collector.url(""), db.relay_url());
    let mut variables = vec![
        ("DF_DATABASE_URL", url.as_str()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-team=night"),
    ];
    variables.extend(more);
    // The log's level does not matter to the export.
    let relay = crate::support::spawn(&["run", "--log-level", "info,df_engine=warn"], &variables);
    relay.wait_for_log("relay ready");
    relay
}

#[tokio::test]
async fn every_attempt_at_a_step_is_one_span_with_its_ids() {
    let (db, collector) = (TestDb::new().await, Web::start());
    let alice = db.role("alice").await;
    let secret = "create sequence public.tries; create table public.secrets (word text);
                  insert into public.secrets values ('sesame')";
    alice.client.batch_execute(secret).await.unwrap();
    let mut relay = exporting(&db, &collector, &[]);
    let flaky = "$q$select 1 / (case when nextval('tries') >= 2 then 1 else 0 end)$q$";
    let completed = format!(
        "'select word, pg_sleep(0.05) from public.secrets' ~> df.sleep_interval('10 ms') ~> df.retry_policy({flaky}, 3, 0)"
    );
    let completed = run(&db, &alice, &completed).await;
    let failed = run(&db, &alice, "'select ''sesame''::int'").await;
    // Stopping sends what is queued.
    assert_eq!(relay.stop(), 0, "{}", relay.log());

    let requests = collector.requests();
    assert!(!requests.is_empty(), "{}", relay.log());
    for request in &requests {
        assert_eq!(request.target, "/v1/traces");
        assert_eq!(
            request.header("content-type"),
            Some("application/x-protobuf")
        );
        assert_eq!(request.header("x-team"), Some("night"));
        assert!(!request.body.contains("sesame"), "a payload is exported");
    }
    let spans = spans(&requests);
    let of = |id: &str| {
        let of = spans
            .iter()
            .filter(|span| span.attributes["instance"] == id);
        let mut of: Vec<&Span> = of.collect();
        of.sort_by_key(|span| span.line());
        of
    };
    let lines = |id: &str| of(id).iter().map(|span| span.line()).collect::<Vec<_>>();
    assert_eq!(
        lines(&completed),
        [
            "root.left.left 1 SQL completed",
            "root.right 1 SQL retried",
            "root.right 2 SQL completed",
        ]
    );
    assert_eq!(lines(&failed), ["root 1 SQL failed 22P02"]);
    let errors: Vec<bool> = of(&completed).iter().map(|span| span.is_error).collect();
    assert_eq!(errors, [false, true, false]);
    assert!(of(&failed)[0].is_error);
    assert!(
        of(&completed)[0].took_nanos >= 50_000_000,
        "{:?}",
        of(&completed)[0]
    );
    assert_eq!(spans.len(), 4);
    for span in &spans {
        assert_eq!(
            (span.service.as_str(), span.name.as_str()),
            ("df-relay", "step")
        );
        assert_eq!(span.attributes["epoch"], "1");
    }
}

#[tokio::test]
async fn the_standard_variables_name_the_service_and_turn_the_export_off() {
    let (db, collector, silent) = (TestDb::new().await, Web::start(), Web::start());
    let alice = db.role("alice").await;
    let mut named = exporting(&db, &collector, &[("OTEL_SERVICE_NAME", "nightly")]);
    run(&db, &alice, "'select 1'").await;
    assert_eq!(named.stop(), 0, "{}", named.log());
    let services: Vec<String> = spans(&collector.requests())
        .into_iter()
        .map(|s| s.service)
        .collect();
    assert_eq!(services, ["nightly"]);

    let mut off = exporting(&db, &silent, &[("OTEL_TRACES_EXPORTER", "none")]);
    run(&db, &alice, "'select 1'").await;
    assert_eq!(off.stop(), 0, "{}", off.log());
    assert!(silent.requests().is_empty());
}

#[tokio::test]
async fn a_collector_that_does_not_answer_holds_up_no_step_and_no_stop() {
    let (db, collector) = (TestDb::new().await, Web::start());
    let alice = db.role("alice").await;
    let slow = collector.url("/slow");
    let variables = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", slow.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ];
    let mut relay = exporting(&db, &collector, &variables);
    for _ in 0..20 {
        run(&db, &alice, "'select 1' ~> 'select 2'").await;
    }
    relay.signal(Signal::SIGTERM);
    let began = std::time::Instant::now();
    assert!(relay.wait().success(), "{}", relay.log());
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    assert!(!collector.requests().is_empty());
}
