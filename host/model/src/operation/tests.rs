//! The JSON of operations is as catalogs and clients have it.

use serde_json::{Value, from_value, json, to_value};
use utoipa::PartialSchema;

use super::*;
use crate::names::RepoName;

fn repo() -> Option<RepoName> {
    Some("a/b".parse().unwrap())
}

fn index() -> Operation {
    let mpack_key = MpackKey::new([7; 32]);
    let packs = vec![QueuedPack { mpack_key, file: "x.mpack".into() }];
    Operation::Index(IndexOptions { packs, force: true })
}

fn expire() -> GcOptions {
    GcOptions { expire_unreachable: Some(Duration::from_millis(90_500)), ..GcOptions::default() }
}

fn within_limits() -> GcOptions {
    let max_time = Some(Duration::from_millis(60_900));
    GcOptions { geometric: Some(3), max_bytes: Some(7), max_time, ..GcOptions::FULL }
}

fn prune() -> PruneOptions {
    let trust_verified = Duration::from_secs(5);
    PruneOptions {
        grace: Duration::from_secs(60),
        orphans: true,
        trust_verified,
        ..Default::default()
    }
}

#[test]
fn jobs_of_the_catalog_keep_their_options_in_a_payload() {
    let key = format!("sha256:{}", "07".repeat(32));
    for (operation, json) in [
        (
            index(),
            json!({"type": "mpack.index", "payload": {"packs": [{"mpack_key": key, "file": "x.mpack"}], "force": true}}),
        ),
        (Operation::Gc(GcOptions::default()), json!({"type": "mpack.gc", "payload": {}})),
        (
            Operation::Gc(expire()).as_job().unwrap(),
            json!({"type": "mpack.gc", "payload": {"expire_unreachable_seconds": 90}}),
        ),
        (
            Operation::Gc(within_limits()).as_job().unwrap(),
            json!({"type": "mpack.gc", "payload": {"geometric": 3, "max_bytes": 7, "max_time_seconds": 60}}),
        ),
        (
            Operation::Verify(VerifyOptions::default()),
            json!({"type": "mpack.verify", "payload": {}}),
        ),
        (
            Operation::Prune(PruneOptions::default()),
            json!({"type": "mpack.prune", "payload": {"grace_seconds": 691_200, "orphans": false}}),
        ),
        (
            Operation::Prune(prune()),
            json!({"type": "mpack.prune", "payload": {"grace_seconds": 60, "orphans": true, "trust_verified_seconds": 5}}),
        ),
        (
            mirror("https://hub.example/ines/album"),
            json!({"type": "repo.mirror", "payload": {"source": "https://hub.example/ines/album", "every_seconds": 600}}),
        ),
    ] {
        assert_eq!(to_value(&operation).unwrap(), json);
        assert_eq!(from_value::<Operation>(json).unwrap(), operation);
    }
    let newer = json!({"type": "mpack.gc", "payload": {"of_a_newer_version": 1}});
    assert_eq!(from_value::<Operation>(newer).unwrap(), Operation::Gc(GcOptions::default()));
    assert!(from_value::<Operation>(json!({"type": "mpack.plan", "payload": {}})).is_err());
}

fn mirror(source: &str) -> Operation {
    let source = source.to_owned();
    Operation::Mirror(MirrorOptions { source, every: Duration::from_secs(600), force: false })
}

#[test]
fn requests_have_options_beside_the_repo() {
    for (request, json) in [
        (
            JobRequest { repo: repo(), operation: Operation::Gc(GcOptions::default()) },
            json!({"type": "mpack.gc", "repo": "a/b"}),
        ),
        (
            JobRequest { repo: repo(), operation: Operation::Verify(VerifyOptions::default()) },
            json!({"type": "mpack.verify", "repo": "a/b"}),
        ),
        (
            JobRequest { repo: None, operation: Operation::Prune(prune()) },
            json!({"type": "mpack.prune", "grace_seconds": 60, "orphans": true, "trust_verified_seconds": 5}),
        ),
        (
            JobRequest { repo: repo(), operation: mirror("https://hub.example/ines/album") },
            json!({"type": "repo.mirror", "repo": "a/b", "source": "https://hub.example/ines/album", "every_seconds": 600}),
        ),
    ] {
        assert_eq!(to_value(&request).unwrap(), json);
        assert_eq!(from_value::<JobRequest>(json).unwrap(), request);
    }
    let run = |repo, operation, digest: Option<&str>| RunRequest {
        repo,
        operation,
        plan_digest: digest.map(str::to_owned),
    };
    for (request, json) in [
        (
            run(repo(), Operation::Plan(GcOptions::default()), None),
            json!({"kind": "plan", "repo": "a/b"}),
        ),
        (
            run(repo(), Operation::Gc(expire()).as_job().unwrap(), Some("nothing")),
            json!({"kind": "gc", "repo": "a/b", "plan_digest": "nothing", "expire_unreachable_seconds": 90}),
        ),
        (
            run(
                repo(),
                Operation::Plan(GcOptions {
                    max_time: Some(Duration::from_secs(60)),
                    ..within_limits()
                }),
                None,
            ),
            json!({"kind": "plan", "repo": "a/b", "geometric": 3, "max_bytes": 7, "max_time_seconds": 60}),
        ),
        (
            run(repo(), Operation::Verify(VerifyOptions::REPAIR), None),
            json!({"kind": "verify", "repo": "a/b", "repair": true}),
        ),
        (
            run(None, Operation::Prune(PruneOptions { dry_run: true, ..prune() }), None),
            json!({"kind": "prune", "grace_seconds": 60, "orphans": true, "dry_run": true, "trust_verified_seconds": 5}),
        ),
    ] {
        assert_eq!(to_value(&request).unwrap(), json);
        assert_eq!(from_value::<RunRequest>(json).unwrap(), request);
    }
    let defaults = from_value::<RunRequest>(json!({"kind": "prune"})).unwrap();
    assert_eq!(defaults.operation, Operation::Prune(PruneOptions::default()));
}

#[test]
fn what_is_not_known_is_refused_by_its_name() {
    let refused = |outcome: serde_json::Result<()>, word: &str| {
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(word), "{word}: {error}");
    };
    let job = |json: Value| from_value::<JobRequest>(json).map(drop);
    let run = |json: Value| from_value::<RunRequest>(json).map(drop);
    refused(job(json!({"repo": "a/b"})), "missing field `type`");
    refused(job(json!({"type": "mpack.gc"})), "missing field `repo`");
    refused(
        job(json!({"type": "mpack.index", "repo": "a/b"})),
        "`mpack.gc`, `mpack.verify`, `mpack.prune`, `repo.mirror`",
    );
    refused(job(json!({"type": "mpack.prune", "repo": "a/b"})), "`repo`");
    refused(job(json!({"type": "mpack.prune", "dry_run": false})), "`dry_run`");
    refused(job(json!({"type": "mpack.prune", "newer": true})), "`newer`");
    refused(job(json!({"type": "mpack.verify", "repo": "a/b", "repair": true})), "`repair`");
    refused(
        job(json!({"type": "mpack.gc", "repo": "a/b", "plan_digest": "nothing"})),
        "`plan_digest`",
    );
    refused(
        job(json!({"type": "mpack.gc", "repo": "a/b", "expire_unreachable_seconds": -1})),
        "-1",
    );
    refused(job(json!({"type": "repo.mirror", "repo": "a/b"})), "`source`");
    refused(run(json!({"kind": "mirror", "repo": "a/b"})), "`mirror`");
    refused(run(json!({"kind": "dance"})), "`dance`");
    refused(run(json!({"kind": "index", "repo": "a/b"})), "`index`");
    refused(run(json!({"kind": "plan", "repo": "a/b", "plan_digest": "nothing"})), "`plan_digest`");
    refused(run(json!({"kind": "gc", "repo": "a/b", "expire": 1})), "`expire`");
    refused(run(json!([])), "object");
    let twice = r#"{"kind": "gc", "repo": "a/b", "repo": "c/d"}"#;
    refused(serde_json::from_str::<RunRequest>(twice).map(drop), "duplicate field `repo`");
}

#[test]
fn values_that_no_client_means_are_refused() {
    let check = |json: Value| from_value::<RunRequest>(json).unwrap().check();
    let most = (1_u64 << 53) - 1;
    assert!(check(json!({"kind": "prune", "grace_seconds": most})).is_ok());
    let error = check(json!({"kind": "prune", "grace_seconds": most + 1})).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("grace_seconds is {}: expected at most {most}", most + 1)
    );
    let gc = |json: Value| {
        let mut request = json!({"kind": "gc", "repo": "a/b"});
        request.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
        check(request)
    };
    assert!(gc(json!({"geometric": 2, "max_bytes": 0, "max_time_seconds": 0})).is_ok());
    assert!(gc(json!({"geometric": 1})).is_err());
    assert!(gc(json!({"geometric": 2, "expire_unreachable_seconds": 0})).is_err());
    assert!(gc(json!({"max_bytes": most + 1})).is_err());
    let digest = |text: &str| check(json!({"kind": "gc", "repo": "a/b", "plan_digest": text}));
    assert!(digest("nothing").is_ok() && digest(&format!("sha256:{}", "a".repeat(64))).is_ok());
    assert!(digest("x").is_err() && digest(&format!("sha256:{}", "A".repeat(64))).is_err());
}

#[test]
fn a_job_has_no_options_of_its_callers() {
    for refused in [
        index(),
        Operation::Plan(GcOptions::default()),
        Operation::Verify(VerifyOptions::REPAIR),
        Operation::Prune(PruneOptions { dry_run: true, ..prune() }),
    ] {
        assert!(refused.as_job().is_err(), "{refused:?}");
    }
    let newer = Operation::Prune(PruneOptions { newer: true, ..prune() });
    assert_eq!(newer.as_job().unwrap(), Operation::Prune(prune()));
    assert!(newer.check_remote().is_err() && Operation::Prune(prune()).check_remote().is_ok());
}

#[test]
fn a_mirror_has_a_source_without_secrets_and_a_pause() {
    for source in [
        "",
        "hub.example/ines/album",
        "ftp://hub.example/ines/album",
        "https://hub.example/ines",
        "https://ines:secret@hub.example/ines/album",
        "https://hub.example/ines/album?token=secret",
    ] {
        let error = mirror(source).as_job().unwrap_err().to_string();
        assert!(
            error.contains("http(s)://HOST/OWNER/SLUG") && !error.contains("secret"),
            "{error}"
        );
    }
    let source = "https://hub.example/ines/album".to_owned();
    let busy = MirrorOptions { source, every: Duration::ZERO, force: false };
    assert!(Operation::Mirror(busy).as_job().is_err());
}

/// The names of all fields, by the value of the tag.
fn fields(schema: &Value, tag: &str) -> Vec<(String, Vec<String>)> {
    let items = schema["oneOf"].as_array().unwrap();
    let named = items.iter().map(|item| {
        let properties = item["properties"].as_object().unwrap();
        let name = properties[tag]["enum"][0].as_str().unwrap().to_owned();
        (name, properties.keys().cloned().collect())
    });
    named.collect()
}

#[test]
fn the_document_has_the_fields_that_are_read() {
    let listed = |all: &[(&str, &[&str])]| -> Vec<(String, Vec<String>)> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        all.iter().map(|(name, names)| ((*name).to_owned(), owned(names))).collect()
    };
    let jobs = to_value(JobRequest::schema()).unwrap();
    assert_eq!(
        fields(&jobs, "type"),
        listed(&[
            (
                "mpack.gc",
                &[
                    "expire_unreachable_seconds",
                    "geometric",
                    "max_bytes",
                    "max_time_seconds",
                    "repo",
                    "type"
                ]
            ),
            ("mpack.verify", &["repo", "type"]),
            ("mpack.prune", &["grace_seconds", "orphans", "trust_verified_seconds", "type"]),
            ("repo.mirror", &["every_seconds", "force", "repo", "source", "type"]),
        ])
    );
    let runs = to_value(RunRequest::schema()).unwrap();
    assert_eq!(
        fields(&runs, "kind"),
        listed(&[
            (
                "plan",
                &[
                    "expire_unreachable_seconds",
                    "geometric",
                    "kind",
                    "max_bytes",
                    "max_time_seconds",
                    "repo"
                ]
            ),
            (
                "gc",
                &[
                    "expire_unreachable_seconds",
                    "geometric",
                    "kind",
                    "max_bytes",
                    "max_time_seconds",
                    "plan_digest",
                    "repo"
                ]
            ),
            ("verify", &["kind", "repair", "repo"]),
            ("prune", &["dry_run", "grace_seconds", "kind", "orphans", "trust_verified_seconds"]),
        ])
    );
    for item in [jobs, runs].iter().flat_map(|schema| schema["oneOf"].as_array().unwrap()) {
        assert_eq!(item["additionalProperties"], json!(false), "{item}");
    }
}
