//! The OpenAPI document of the administration, and whether the server keeps to it: schemathesis
//! generates requests from the document, valid ones and others, and checks the responses.
//!
//! `tests/hosts/setup.sh` installs it; without it this prints SKIP.

use std::path::{Path, PathBuf};
use std::process::Command;

use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;
use packhouse_tests::{fixtures, skipped};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("hosts/openapi")
}

/// The checks of schemathesis. One worker: with two, hypothesis fails now and then. That private
/// repos are not found by strangers is correct, and tested elsewhere.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,unsupported_method";

struct Place {
    served: Served,
    token: String,
    scratch: PathBuf,
    _store: Packhouse,
}

impl Place {
    fn new() -> Place {
        let store = Packhouse::with_repo();
        store.push(fixtures::muse_cli()).ok();
        let token =
            store.run(["token", "create", "--scope", "admin", "--repo", "*"]).ok().json()["token"]
                .as_str()
                .unwrap()
                .to_owned();
        let served = Served::start(&store, "127.0.0.1:0", &["--rate", "0"]);
        Place { served, token, scratch: store.scratch(), _store: store }
    }

    /// Runs it, and expects that it finds nothing.
    fn holds(&self, words: &[&str]) {
        let mut command = Command::new(folder().join("venv/bin/st"));
        command.args(words).arg("run").arg(format!("{}/admin/v1/openapi.json", self.served.url()));
        command.args([
            "--no-color",
            "--workers",
            "1",
            "--seed",
            "1",
            "--max-examples",
            "25",
            "--checks",
            CHECKS,
        ]);
        command
            .arg("--header")
            .arg(format!("Authorization: Bearer {}", self.token))
            .current_dir(&self.scratch);
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
        assert!(told.contains("Test cases:"), "{told}");
    }
}

fn is_there() -> bool {
    let there = folder().join("venv/bin/st").is_file();
    if !there {
        skipped("schemathesis", "it is not installed: tests/hosts/setup.sh");
    }
    there
}

#[test]
fn whatever_is_asked_the_answer_is_as_the_document_says_and_no_failure_of_the_server() {
    if is_there() {
        Place::new().holds(&[]);
    }
}

#[test]
fn so_it_is_about_a_repo_that_is_there() {
    if is_there() {
        let config = folder().join("schemathesis.toml");
        Place::new().holds(&["--config-file", config.to_str().unwrap()]);
    }
}
