//! The administration over HTTP, as programs in any language see it.

use packhouse_host::sample::{HistoryOptions, write_history};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

struct Place {
    store: Packhouse,
    served: Served,
    client: Client,
}

impl Place {
    fn new(words: &[&str]) -> Place {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let store = Packhouse::with_repo();
        let words: Vec<&str> = ["--workers", "0"].iter().chain(words).copied().collect();
        let served = Served::start(&store, "127.0.0.1:0", &words);
        Place { store, served, client: Client::new() }
    }

    fn trusting() -> Place {
        Place::new(&["--insecure-loopback"])
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Response {
        let mut request =
            self.client.request(method, format!("{}/admin/v1/{path}", self.served.url()));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    async fn get(&self, path: &str, token: Option<&str>) -> (u16, Value) {
        told(self.ask(Method::GET, path, token, None).await).await
    }

    async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        told(self.ask(Method::PUT, path, None, Some(body)).await).await
    }

    /// The events of a run, to its end: number, name, data.
    async fn events(&self, id: &str, last: Option<u64>) -> Vec<(u64, String, Value)> {
        let mut request =
            self.client.get(format!("{}/admin/v1/runs/{id}/events", self.served.url()));
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let text = response.text().await.unwrap();
        let field = |block: &str, name: &str| {
            block
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .map(|value| value.trim().to_owned())
        };
        let events = text.split("\n\n").filter(|block| block.contains("data:"));
        events
            .map(|block| {
                let data = serde_json::from_str(&field(block, "data:").unwrap()).unwrap();
                (
                    field(block, "id:").unwrap().parse().unwrap(),
                    field(block, "event:").unwrap(),
                    data,
                )
            })
            .collect()
    }
}

async fn told(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

/// All `$ref`s of a document.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_whole_and_lists_every_route() {
    let place = Place::new(&[]);
    let (status, document) = place.get("openapi.json", None).await;
    assert_eq!(status, 200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    let routes = [
        "GET /status",
        "GET /health",
        "GET /changes",
        "GET /repos",
        "POST /repos",
        "GET /repos/{owner}/{slug}",
        "PATCH /repos/{owner}/{slug}",
        "DELETE /repos/{owner}/{slug}",
        "POST /repos/{owner}/{slug}/restore",
        "GET /repos/{owner}/{slug}/summary",
        "GET /repos/{owner}/{slug}/detail",
        "GET /repos/{owner}/{slug}/branches",
        "DELETE /repos/{owner}/{slug}/branches",
        "GET /repos/{owner}/{slug}/log",
        "GET /repos/{owner}/{slug}/files",
        "GET /repos/{owner}/{slug}/record",
        "GET /repos/{owner}/{slug}/content",
        "GET /repos/{owner}/{slug}/find",
        "GET /repos/{owner}/{slug}/records",
        "GET /repos/{owner}/{slug}/compare",
        "POST /repos/{owner}/{slug}/packs",
        "POST /repos/{owner}/{slug}/fetch",
        "GET /runs",
        "PUT /runs/{id}",
        "GET /runs/{id}",
        "DELETE /runs/{id}",
        "GET /runs/{id}/events",
        "GET /history",
        "GET /jobs",
        "POST /jobs",
        "GET /jobs/{id}",
        "POST /jobs/{id}/retry",
        "POST /jobs/{id}/cancel",
        "GET /policy",
        "PUT /policy",
        "DELETE /policy",
        "POST /policy/check",
        "GET /tokens",
        "POST /tokens",
        "DELETE /tokens/{id}",
    ];
    let mut listed = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let path = path.strip_prefix("/admin/v1").unwrap();
            listed.push(format!("{} {path}", method.to_ascii_uppercase()));
            assert!(
                operation["responses"].get("401").is_some() && operation["operationId"].is_string(),
                "{method} {path}"
            );
        }
    }
    listed.sort();
    let mut expected = routes.map(str::to_owned).to_vec();
    expected.sort();
    assert_eq!(listed, expected);
    let mut found = Vec::new();
    references(&document, &mut found);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads to nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_begun_once_however_often_it_is_asked_for_and_is_told_from_where_one_left_off() {
    let place = Place::trusting();
    let options = HistoryOptions { pushes: 4, overlap: true, ..HistoryOptions::default() };
    let files = write_history(place.store.scratch(), &options).unwrap();
    for file in &files {
        place.store.push([file]).ok();
    }
    let (id, body) = ("a".repeat(32), json!({"kind": "gc", "repo": "a/b"}));
    let (status, first) = place.put(&format!("runs/{id}"), body.clone()).await;
    assert_eq!(
        (status, &first["id"], &first["kind"], &first["repo"]),
        (202, &json!(id), &json!("gc"), &json!("a/b"))
    );
    let events = place.events(&id, None).await;
    let (last, name, data) = events.last().unwrap();
    assert_eq!((name.as_str(), &data["report"]["packs_after"]), ("done", &json!(1)));
    assert!(events.len() <= 9, "a log is as long as a run has phases: {events:?}");
    assert!(events.is_sorted_by(|a, b| a.0 < b.0));

    let (_, again) = place.put(&format!("runs/{id}"), body).await;
    assert_eq!(
        (&again["state"], &again["started_at"], again["seq"].as_u64()),
        (&json!("done"), &first["started_at"], Some(*last))
    );
    assert_eq!(again["result"]["packs_after"], 1);
    let (status, problem) =
        place.put(&format!("runs/{id}"), json!({"kind": "verify", "repo": "a/b"})).await;
    assert_eq!((status, &problem["class"]), (409, &json!("conflict")));

    let middle = events[events.len() / 2].0;
    let rest = place.events(&id, Some(middle)).await;
    assert!(rest.iter().all(|(seq, ..)| *seq > middle) && rest.last().unwrap().0 == *last);
    assert_eq!(
        place.events(&id, Some(last + 1000)).await.last().unwrap().1,
        "done",
        "a number of another time"
    );
    assert_eq!(
        place.get("history", None).await.1["entries"].as_array().unwrap().len(),
        1,
        "it was done once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_plan_that_was_shown_is_done_or_nothing() {
    let place = Place::trusting();
    let files = write_history(
        place.store.scratch(),
        &HistoryOptions { pushes: 3, ..HistoryOptions::default() },
    )
    .unwrap();
    place.store.push([&files[0]]).ok();
    place.store.push([&files[1]]).ok();
    let run = async |id: char, body: Value| {
        let id = id.to_string().repeat(32);
        assert_eq!(place.put(&format!("runs/{id}"), body).await.0, 202);
        place.events(&id, None).await.pop().unwrap()
    };
    let (_, _, planned) = run('1', json!({"kind": "plan", "repo": "a/b"})).await;
    let digest = planned["report"]["plan_digest"].clone();
    place.store.push([&files[2]]).ok();
    let (_, name, failed) =
        run('2', json!({"kind": "gc", "repo": "a/b", "plan_digest": digest})).await;
    assert_eq!((name.as_str(), &failed["problem"]["class"]), ("failed", &json!("conflict")));
    assert!(failed["problem"]["detail"].as_str().unwrap().contains("nothing was done"), "{failed}");
    assert_eq!(place.store.show()["packs"], 3);
    let (_, _, planned) = run('3', json!({"kind": "plan", "repo": "a/b"})).await;
    let digest = planned["report"]["plan_digest"].clone();
    let (_, name, _) = run('4', json!({"kind": "gc", "repo": "a/b", "plan_digest": digest})).await;
    assert_eq!((name.as_str(), &place.store.show()["packs"]), ("done", &json!(1)));
    let (_, name, _) =
        run('5', json!({"kind": "gc", "repo": "a/b", "plan_digest": "nothing"})).await;
    assert_eq!(name, "done");
}

/// The server is killed after it has applied a plan and before its client got the result: a client
/// that starts the run again gets the result.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_done_before_a_restart_is_answered_with_what_it_did() {
    let mut place = Place::trusting();
    let files = write_history(
        place.store.scratch(),
        &HistoryOptions { pushes: 3, ..HistoryOptions::default() },
    )
    .unwrap();
    place.store.push(&files[..2]).ok();
    let run = async |place: &Place, id: char, body: &Value| {
        let id = id.to_string().repeat(32);
        assert_eq!(place.put(&format!("runs/{id}"), body.clone()).await.0, 202);
        place.events(&id, None).await.pop().unwrap()
    };
    let (_, _, planned) = run(&place, '1', &json!({"kind": "plan", "repo": "a/b"})).await;
    let gc = json!({"kind": "gc", "repo": "a/b", "plan_digest": planned["report"]["plan_digest"]});
    let (_, name, first) = run(&place, '2', &gc).await;
    assert_eq!(name, "done");
    assert!(first["report"].get("plan_digest").is_none(), "it was no dry run: {first}");
    let address = place.served.address();
    let restarted = |store: &Packhouse| {
        Served::start(store, &address, &["--workers", "0", "--insecure-loopback"])
    };
    let old =
        std::mem::replace(&mut place.served, Served::trusting(&place.store, &["--workers", "0"]));
    old.kill();
    place.served = restarted(&place.store);
    let (_, name, again) = run(&place, '2', &gc).await;
    assert_eq!((name.as_str(), &again["report"]), ("done", &first["report"]), "{again}");
    // Also when the repo has changed since: another plan that looks the same is not made up.
    place.store.push(&files[2..]).ok();
    place.store.gc();
    let (_, name, again) = run(&place, '3', &gc).await;
    assert_eq!((name.as_str(), &again["report"]), ("done", &first["report"]), "{again}");
    let other =
        json!({"kind": "gc", "repo": "a/b", "plan_digest": format!("sha256:{}", "0".repeat(64))});
    assert_eq!(run(&place, '4', &other).await.1, "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_reaches_some_repos_sees_those() {
    let place = Place::new(&[]);
    place.store.run(["repo", "create", "c/d"]).ok();
    let token = |scope: &str, repo: &str| {
        let made =
            place.store.run(["token", "create", "--scope", scope, "--repo", repo]).ok().json();
        made["token"].as_str().unwrap().to_owned()
    };
    let (some, all, push) = (token("admin", "c/*"), token("admin", "*"), token("push", "*"));
    for repo in ["a/b", "c/d"] {
        place.store.run(["gc", repo]).ok();
        place.store.run(["gc", "--async", repo]).ok();
    }
    place.store.run(["prune", "--async"]).ok();
    let names = |page: &Value, list: &str| -> Vec<Value> {
        page[list].as_array().unwrap().iter().map(|item| item["repo"].clone()).collect()
    };
    for (path, list) in [
        ("repos", "repos"),
        ("repos?view=report&sort=bytes&order=desc", "repos"),
        ("history", "entries"),
        ("jobs", "jobs"),
    ] {
        let (status, page) = place.get(path, Some(&some)).await;
        assert_eq!((status, names(&page, list)), (200, vec![json!("c/d")]), "{path}");
        assert!(names(&place.get(path, Some(&all)).await.1, list).len() > 1, "{path}");
        assert_eq!(place.get(path, Some(&push)).await.0, 403, "{path}");
        assert_eq!(place.get(path, None).await.0, 401, "{path}");
    }
    let mine = place.get("jobs", Some(&some)).await.1["jobs"][0]["id"].as_i64().unwrap();
    for job in 1..=3 {
        let status = place.get(&format!("jobs/{job}"), Some(&some)).await.0;
        assert_eq!(status, if job == mine { 200 } else { 404 }, "job {job}");
    }
    let of = async |method: Method, path: &str, body: Option<Value>| {
        place.ask(method, path, Some(&some), body).await.status().as_u16()
    };
    assert_eq!(of(Method::GET, "tokens", None).await, 403);
    // Its numbers are of all repos.
    assert_eq!(of(Method::GET, "health", None).await, 403);
    let (status, health) = place.get("health", Some(&all)).await;
    assert_eq!((status, &health["damaged_repos"]), (200, &json!(0)));
    assert!(health["jobs_queued"].as_u64().unwrap() > 0, "{health}");
    assert_eq!(of(Method::GET, "repos/c/d", None).await, 200);
    assert_eq!(of(Method::GET, "repos/a/b", None).await, 403, "it is public, and not theirs");
    assert_eq!(of(Method::GET, "repos/a/none", None).await, 404);
    assert_eq!(of(Method::POST, "repos", Some(json!({"repo": "c/new"}))).await, 201);
    assert_eq!(of(Method::POST, "repos", Some(json!({"repo": "a/new"}))).await, 403);
    // Settings and what packs hold are for those who administer the repo, whoever may read it.
    let settings = json!({"accepts_shallow": true});
    assert_eq!(of(Method::PATCH, "repos/c/d", Some(settings.clone())).await, 200);
    assert_eq!(of(Method::PATCH, "repos/a/b", Some(settings.clone())).await, 403);
    assert_eq!(of(Method::PATCH, "repos/c/d", Some(json!({"owner": "x"}))).await, 422);
    let set = place.ask(Method::PATCH, "repos/c/d", Some(&push), Some(settings)).await;
    assert_eq!(set.status(), 403, "a push token changes no setting");
    let key = format!("sha256:{}", "0".repeat(64));
    for path in [format!("records?pack={key}"), format!("compare?a={key}&b={key}")] {
        let path = format!("repos/c/d/{path}");
        assert_eq!(place.get(&path, Some(&push)).await.0, 403, "{path}");
        assert_eq!(place.get(&path, Some(&some)).await.0, 404, "{path}: there is no such pack");
    }
    assert_eq!(of(Method::PUT, "policy", Some(json!({"max_packs": 2}))).await, 403);
    assert_eq!(of(Method::PUT, "policy?repo=c/d", Some(json!({"max_packs": 2}))).await, 200);
    let (prune, theirs) = (format!("runs/{}", "1".repeat(32)), format!("runs/{}", "2".repeat(32)));
    assert_eq!(of(Method::PUT, &prune, Some(json!({"kind": "prune"}))).await, 403);
    let verify = json!({"kind": "verify", "repo": "a/b"});
    assert_eq!(place.ask(Method::PUT, &theirs, Some(&all), Some(verify)).await.status(), 202);
    assert_eq!(of(Method::GET, &theirs, None).await, 404);
    assert_eq!(place.get("runs", Some(&some)).await, (200, json!([])));
    assert!(place.get("status", Some(&some)).await.1["catalog"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_is_told_in_words() {
    let place = Place::trusting();
    let id = "b".repeat(32);
    let run = format!("runs/{id}");
    for (method, path, body, status) in [
        (Method::GET, "repos?limit=0", None, 422),
        (Method::GET, "repos?limit=x", None, 400),
        (Method::GET, "repos?after=..%2Fx", None, 400),
        (Method::GET, "history?text=%00", None, 422),
        (Method::GET, "repos/a/none", None, 404),
        (Method::GET, "repos/%00/%FF", None, 400),
        (Method::GET, "jobs/x", None, 400),
        (Method::GET, "jobs/99", None, 404),
        (Method::GET, "nothing/here", None, 404),
        (Method::DELETE, "status", None, 405),
        (Method::POST, "repos", Some(json!({"repo": "no name"})), 422),
        (Method::POST, "repos", Some(json!({"repo": "a/b"})), 409),
        (Method::POST, "repos", None, 415),
        (Method::POST, "repos/a/b/packs", Some(json!({})), 400),
        (Method::POST, "repos/a/b/fetch", Some(json!({"ttl_seconds": 0})), 422),
        (Method::PUT, "runs/short", Some(json!({"kind": "prune"})), 422),
        (Method::PUT, &run, Some(json!({"kind": "dance"})), 422),
        (Method::PUT, &run, Some(json!({"kind": "gc", "repo": "a/b", "plan_digest": "x"})), 422),
        (Method::PUT, &run, Some(json!({"kind": "verify", "repo": "a/none"})), 404),
        (Method::PUT, "policy", Some(json!({"growth": -1})), 422),
    ] {
        let (found, problem) = told(place.ask(method.clone(), path, None, body).await).await;
        assert_eq!(found, status, "{method} {path}: {problem}");
        assert!(
            problem["detail"].is_string() && problem["class"].is_string(),
            "{method} {path}: {problem}"
        );
    }
    assert_eq!(place.get("runs", None).await.1, json!([]), "nothing was begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_has_an_id_in_its_response_in_an_error_and_in_the_log() {
    let place = Place::new(&["--slow-after", "1s"]);
    let made = place.store.run(["token", "create", "--scope", "admin", "--repo", "*"]).ok().json();
    let token = made["token"].as_str().unwrap();
    let url = |path: &str| format!("{}/admin/v1/{path}", place.served.url());
    let of = |response: &Response| response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let ask = |path: &str| place.client.get(url(path)).bearer_auth(token);
    let first = ask("status").send().await.unwrap();
    let second = ask("status").send().await.unwrap();
    assert!(of(&first).len() == 32 && of(&first) != of(&second));
    let chosen = ask("repos/a/none").header("X-Request-Id", "mine-1").send().await.unwrap();
    assert_eq!(of(&chosen), "mine-1");
    assert_eq!(told(chosen).await.1["request_id"], "mine-1");
    let invalid = ask("nothing").header("X-Request-Id", "a b").send().await.unwrap();
    assert_eq!(of(&invalid).len(), 32);
    assert_eq!(of(&invalid), told(invalid).await.1["request_id"]);
    // A body that comes slowly.
    let parts = futures::stream::unfold(0, async |n| match n {
        0 => Some((Ok::<_, std::io::Error>("{\"repo\": "), 1)),
        1 => {
            tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
            Some((Ok("\"a/slow\"}"), 2))
        }
        _ => None,
    });
    let slow = place.client.post(url("repos")).bearer_auth(token).header("X-Request-Id", "slow-1");
    let slow =
        slow.header("content-type", "application/json").body(reqwest::Body::wrap_stream(parts));
    let (status, created) = told(slow.send().await.unwrap()).await;
    assert_eq!(status, 201, "{created}");
    // What waits until something changes is not slow; what a run logs has the ID, too.
    let changes: Value = ask("changes").send().await.unwrap().json().await.unwrap();
    let since = ask(&format!("changes?since={}", changes["stamp"]));
    let since = since.header("X-Request-Id", "poll-1").timeout(std::time::Duration::from_secs(2));
    assert!(since.send().await.unwrap_err().is_timeout());
    let (_, log) = place.served.stop();
    assert!(!log.contains("poll-1"), "{log}");
    let slow: Vec<&str> = log.lines().filter(|line| line.contains("slow request")).collect();
    let [hanging, answered] = &slow[..] else { panic!("{log}") };
    assert!(hanging.contains("no response after 1s"), "{hanging}");
    assert!(answered.contains("the response began after 1."), "{answered}");
    for line in slow {
        assert!(line.contains("slow-1") && line.contains("/admin/v1/repos"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repos_come_in_pages_in_any_order() {
    let place = Place::trusting();
    for repo in ["a/c", "B/a", "c/x"] {
        place.store.run(["repo", "create", repo]).ok();
    }
    let files = write_history(place.store.scratch(), &HistoryOptions::default()).unwrap();
    place.store.push([&files[0]]).ok();
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let (_, page) = place.get(&format!("repos?limit=1{after}"), None).await;
        all.extend(
            page["repos"]
                .as_array()
                .unwrap()
                .iter()
                .map(|repo| repo["repo"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(all, ["B/a", "a/b", "a/c", "c/x"]);
    let (_, page) = place.get("repos?sort=packs&order=desc&limit=1", None).await;
    assert_eq!((&page["repos"][0]["repo"], &page["next"]), (&json!("a/b"), &json!("1")));
    let (_, page) = place.get("repos?sort=packs&order=desc&offset=1&filter=A%2F", None).await;
    let names: Vec<&Value> =
        page["repos"].as_array().unwrap().iter().map(|repo| &repo["repo"]).collect();
    assert_eq!((names, &page["next"]), (vec![&json!("a/c")], &Value::Null));
}
