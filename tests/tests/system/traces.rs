//! `--otlp-endpoint`: what took how long, across processes.

use std::net::TcpListener;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use packhouse_host::sample::{HistoryOptions, write_history};
use packhouse_muse_client::{Fetching, Local, Remote};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::collector::{Collector, Sent};
use packhouse_tests::fixtures;
use packhouse_tests::s3::S3Server;
use packhouse_tests::server::Served;

/// The variable that names a collector to every process of a store.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// A store whose processes send traces, with what it sends them to. They don't wait for long.
fn traced() -> (Packhouse, Collector) {
    let collector = Collector::start();
    let store = Packhouse::with_repo()
        .with_env(ENDPOINT, &collector.url())
        .with_env("OTEL_BSP_SCHEDULE_DELAY", "50");
    (store, collector)
}

fn is_child(of: &Sent, span: &Sent) -> bool {
    (&span.span.trace_id, &span.span.parent_span_id) == (&of.span.trace_id, &of.span.span_id)
}

#[test]
fn a_call_a_request_and_a_job_are_one_story() {
    let (store, collector) = traced();
    store.push(fixtures::muse_cli()).ok();
    let served = Served::trusting(&store, &[]);
    store.run_remote(served.url(), None, ["gc", "a/b", "--async"]).ok();
    let call = collector.span("packhouse gc");
    let request = collector.span("POST /admin/v1/jobs");
    let sent = collector.spans().into_iter().find(|sent| is_child(sent, &request)).unwrap();
    assert_eq!((sent.span.name.as_str(), sent.span.kind()), ("POST", SpanKind::Client));
    assert!(is_child(&call, &sent), "{sent:?}");
    assert_eq!(request.span.kind(), SpanKind::Server);
    assert_eq!(request.attribute("http.response.status_code").as_deref(), Some("202"));
    assert_eq!(call.attribute("process.exit.code").as_deref(), Some("0"));
    assert_eq!(call.service, "packhouse");

    let waiting = store.run(["jobs", "show", "1"]).ok().json();
    let traceparent = waiting["traceparent"].as_str().unwrap().to_owned();
    assert_eq!(traceparent.split('-').nth(2).unwrap(), hex::encode(&request.span.span_id));

    store.run(["worker", "--drain", "--no-policies"]).ok();
    let job = collector.span("job mpack.gc");
    let [link] = &job.span.links[..] else { panic!("{:?}", job.span.links) };
    assert_eq!(
        (&link.trace_id, &link.span_id),
        (&request.span.trace_id, &request.span.span_id),
        "the job is linked to the request that queued it"
    );
    assert_ne!(job.span.trace_id, request.span.trace_id, "and has a trace of its own");
    assert_eq!(job.attribute("packhouse.job.outcome").as_deref(), Some("done"));
    assert_eq!(job.attribute("packhouse.repo").as_deref(), Some("a/b"));
    let consolidated = collector.span("consolidate");
    assert!(is_child(&job, &consolidated), "{consolidated:?}");
    for step in ["plan consolidation", "apply plan", "splice", "prove"] {
        assert_eq!(collector.span(step).span.trace_id, job.span.trace_id, "{step}");
    }
}

#[test]
fn the_work_of_a_request_belongs_to_it() {
    let (store, collector) = traced();
    let served = Served::trusting(&store, &[]);
    let files = fixtures::muse_cli().into_iter().map(|file| file.display().to_string());
    let words: Vec<String> =
        ["push".to_owned(), "a/b".to_owned()].into_iter().chain(files).collect();
    store.run_remote(served.url(), None, words).ok();
    store.run_remote(served.url(), None, ["gc", "a/b"]).ok();
    let repo = Remote::new(&served.remote("a/b"), None).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(Local::clone_from(&repo, Fetching::Mpack)).unwrap();
    for (call, steps) in [
        ("packhouse push", &["receive pack", "index", "publish"][..]),
        ("packhouse gc", &["consolidate", "splice", "prove"][..]),
    ] {
        let call = collector.span(call);
        for step in steps {
            assert_eq!(collector.span(step).span.trace_id, call.span.trace_id, "{step}");
        }
    }
    let planned = collector.span("plan answer");
    let request = collector.span("POST /{owner}/{slug}/fetch/mpack");
    assert!(is_child(&request, &planned), "{planned:?}");
}

#[test]
fn requests_to_a_bucket_belong_to_the_step_that_sends_them() {
    let (server, collector) = (S3Server::start(), Collector::start());
    let store = Packhouse::on_s3(&server)
        .with_env(ENDPOINT, &collector.url())
        .with_env("OTEL_BSP_SCHEDULE_DELAY", "50");
    // More than one request can take is sent in parts, by tasks of their own.
    let objects = HistoryOptions {
        pushes: 1,
        commits_per_push: 1,
        objects_per_commit: 5,
        object_bytes: 4 << 20..(4 << 20) + 1,
        ..HistoryOptions::default()
    };
    store.push(write_history(store.scratch(), &objects).unwrap()).ok();
    let call = collector.span("packhouse push");
    let step = collector.span("store packs");
    let requests: Vec<Sent> = collector
        .spans()
        .into_iter()
        .filter(|sent| sent.attribute("http.request.method").is_some())
        .collect();
    let seen = format!("{requests:?}");
    assert!(requests.iter().all(|sent| sent.span.trace_id == call.span.trace_id), "{seen}");
    assert!(!seen.contains("X-Amz") && !seen.contains("uploadId"), "no query: {seen}");
    let is_part = |sent: &&Sent| {
        let path = sent.attribute("url.path").unwrap();
        sent.span.name == "PUT" && path.ends_with(".mpack")
    };
    let parts: Vec<_> = requests.iter().filter(is_part).collect();
    assert_eq!(parts.len(), 3, "{seen}");
    for part in parts {
        assert!(is_child(&step, part), "{part:?}");
        assert_eq!(part.attribute("http.response.status_code").as_deref(), Some("200"));
    }
}

#[test]
fn a_stranger_decides_nothing_about_traces() {
    let (store, collector) = traced();
    store.run(["repo", "create", "c/d"]).ok();
    let served = Served::start(&store, "127.0.0.1:0", &[]);
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let long = "x".repeat(9000);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Another test may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let get = |path: &str, token: Option<&str>| {
        let request = reqwest::Client::new()
            .get(format!("{}/{path}", served.url()))
            .header("traceparent", parent)
            .header("tracestate", "vendor=1");
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        runtime.block_on(request.send()).unwrap();
    };
    get("c/d/refs", None);
    let strange = collector.span("GET /{owner}/{slug}/refs").span;
    assert_ne!(hex::encode(&strange.trace_id), parent[3..35]);
    assert_eq!(hex::encode(&strange.links[0].trace_id), parent[3..35]);
    get(&long, Some("a-token"));
    let unknown = collector.span("request").span;
    assert_eq!(hex::encode(&unknown.trace_id), parent[3..35]);
    assert_eq!(unknown.trace_state, "");
    assert!(format!("{unknown:?}").len() < 2000, "{unknown:?}");
}

#[test]
fn variables_for_other_programs_stop_nothing() {
    let (store, collector) = traced();
    for (endpoint, says) in [("", ""), ("localhost:4317", "it is not an HTTP URL")] {
        let store = Packhouse::with_repo().with_env(ENDPOINT, endpoint);
        let ran = store.run(["repo", "list"]).ok();
        assert!(
            ran.stderr.contains(says) && (!says.is_empty() || ran.stderr.is_empty()),
            "{}",
            ran.stderr
        );
    }
    let store = store.with_env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let ran = store.run(["repo", "list"]).ok();
    assert!(ran.stderr.contains("http/protobuf"), "{}", ran.stderr);
    // The command line overrides the environment, also the variable for traces only.
    let other = Collector::start();
    let store =
        store.with_env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &format!("{}/v1/traces", other.url()));
    store.run(["repo", "show", "a/b"]).ok();
    other.span("packhouse repo show");
    store.run(["--otlp-endpoint", &collector.url(), "repo", "create", "c/d"]).ok();
    collector.span("packhouse repo create");
}

#[test]
fn what_fails_is_marked() {
    let (store, collector) = traced();
    store.run(["repo", "show", "no/such"]).exits(1);
    let call = collector.span("packhouse repo show");
    assert_eq!(call.span.status.as_ref().unwrap().code(), StatusCode::Error);
    assert_eq!(call.attribute("process.exit.code").as_deref(), Some("1"));
}

#[test]
fn a_call_belongs_to_the_trace_around_it() {
    let (store, collector) = traced();
    let store =
        store.with_env("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    store.run(["repo", "list"]).ok();
    let call = collector.span("packhouse repo list");
    assert_eq!(hex::encode(&call.span.trace_id), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(hex::encode(&call.span.parent_span_id), "b7ad6b7169203331");
}

#[test]
fn a_trace_shows_no_signature_and_no_token() {
    let (store, collector) = traced();
    store.push(fixtures::muse_cli()).ok();
    let token = store.run(["token", "create", "--repo", "a/b", "--scope", "read"]).ok().json();
    let token = token["token"].as_str().unwrap().to_owned();
    let file = store.file("token", token.as_bytes());
    let served = Served::start(&store, "127.0.0.1:0", &[]);
    // The pack comes from a signed URL.
    let from = served.remote("a/b");
    store.run(["import", &from, "c/d", "--token-file", &file]).ok();
    collector.span("packhouse import");
    collector.span("GET /{owner}/{slug}/fetch/{etag}");
    let shown = format!("{:?}", collector.spans());
    assert!(!shown.contains(&token) && !shown.contains("signature="), "{shown}");
}

#[test]
fn a_collector_that_is_away_is_said_once_and_delays_nothing() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let store = Packhouse::with_repo()
        .with_env(ENDPOINT, &nowhere)
        .with_env("OTEL_BSP_SCHEDULE_DELAY", "1");
    // It sends spans several times.
    let ran = store.push(fixtures::muse_cli()).ok();
    let warnings = ran.stderr.matches("traces could not be sent to").count();
    assert_eq!(warnings, 1, "{}", ran.stderr);

    // One that accepts and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let store = store.with_env(ENDPOINT, &format!("http://{}", silent.local_addr().unwrap()));
    let mut call = store.command(["repo", "list"]).spawn().unwrap();
    let mut looks = 0..300;
    let ended = looks.find_map(|_| {
        std::thread::sleep(Duration::from_millis(20));
        call.try_wait().unwrap()
    });
    assert!(ended.expect("it waits for two seconds").success());
}

#[test]
fn what_is_no_collector_is_refused_and_traces_can_be_switched_off() {
    let (store, collector) = traced();
    for bad in ["collector", "grpc://127.0.0.1:4317"] {
        store
            .run(["--otlp-endpoint", bad, "repo", "list"])
            .exits(2)
            .says(&[bad, "--otlp-endpoint http://127.0.0.1:4318"]);
    }
    let off = store.with_env("OTEL_SDK_DISABLED", "true");
    off.run(["repo", "list"]).ok();
    assert_eq!(collector.spans().len(), 0);
}
