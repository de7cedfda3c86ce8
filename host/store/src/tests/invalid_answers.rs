//! Law 4: whatever a component answers to a fetch, what is given out is proven.
//!
//! A planner changes an honest answer as a lying component might.

use std::sync::Arc;

use packhouse_core::msgpack::{put_array, put_map, put_str};
use packhouse_core::{Counts, EntityId, Form, Head, Kind, Plan, Request, Row, Step};
use packhouse_model::client::FetchRequest;
use packhouse_model::digest::sha256;
use packhouse_model::error::{Class, Error};
use packhouse_model::progress::Progress;
use packhouse_run::{LocatedRow, Planner, RunPack};
use packhouse_sample::{CommitSpec, IdForm, PackBuilder, SnapshotSpec, TagSpec};

use super::Fixture;
use super::liar::Liar;
use crate::Store;
use crate::load::distinct_packs;

/// A repo of four commits: 1, 2, 3 on `main`, and 4 after 1 on `side`.
struct Pulls {
    packs: Arc<Vec<RunPack>>,
    heads: Vec<Head>,
    commits: Vec<String>,
    snapshots: Vec<String>,
    /// By name.
    objects: Vec<(&'static str, String)>,
}

impl Pulls {
    async fn new() -> (Fixture, Arc<Pulls>) {
        let fixture = Fixture::new().await;
        // The tree of each commit: contents are paths in lower case. Full snapshots.
        let trees: [&[&'static str]; 4] =
            [&["A", "B"], &["A", "B", "C"], &["A", "C", "E"], &["A", "B", "D"]];
        let (mut commits, mut snapshots): (Vec<String>, Vec<String>) = Default::default();
        let mut objects = Vec::new();
        for (n, tree) in trees.iter().enumerate() {
            let mut pack = PackBuilder::new();
            let manifest: Vec<(String, String)> = tree
                .iter()
                .map(|name| {
                    let id = IdForm::Bare.id_of(name.as_bytes());
                    if !objects.contains(&(*name, id.clone())) {
                        pack.object(name.as_bytes());
                        objects.push((*name, id.clone()));
                    }
                    (name.to_lowercase(), id)
                })
                .collect();
            let sid = IdForm::Bare.id_of(format!("{manifest:?}").as_bytes());
            let created_at = "2026-01-01T00:00:00Z".to_owned();
            let whole = SnapshotSpec::Whole { id: sid.clone(), manifest, created_at };
            let parent = [None, Some(0), Some(1), Some(0)][n].map(|at: usize| commits[at].as_str());
            let commit = CommitSpec::new(
                IdForm::Bare,
                [parent, None],
                &sid,
                &n.to_string(),
                "2026-01-01T00:00:00Z",
            );
            pack.snapshot(&whole).commit(&commit);
            pack.tag(&TagSpec {
                id: format!("v{}", n + 1),
                commit_id: commit.id.clone(),
                tag: format!("v{}", n + 1),
                created_at: "2026-01-01T00:00:00Z".to_owned(),
            });
            pack.branch_head(if n == 3 { "side" } else { "main" }, &commit.id);
            fixture.push(&format!("{n}.mpack"), &pack.finish()).await;
            commits.push(commit.id);
            snapshots.push(sid);
        }
        let row = fixture.store.known_repo(&fixture.repo).await.unwrap();
        let mut state = fixture.store.catalog.snapshot(row.id).await.unwrap();
        let packs = distinct_packs(&state.shelves().await.unwrap());
        let packs = Arc::new(fixture.store.directories(&fixture.repo, &packs).await.unwrap());
        let heads = state.heads().await.unwrap();
        (fixture, Arc::new(Pulls { packs, heads, commits, snapshots, objects }))
    }

    fn find(&self, kind: Kind, id: EntityId) -> LocatedRow {
        let all = (0u32..).zip(self.packs.iter()).flat_map(|(pack, found)| {
            (0..).zip(found.directory.rows()).map(move |(number, row)| LocatedRow {
                pack,
                number,
                row,
            })
        });
        let is_it = |record: &LocatedRow| (record.row.kind, record.row.id) == (kind, id);
        all.into_iter().find(is_it).unwrap()
    }

    fn commit(&self, number: usize) -> LocatedRow {
        self.find(Kind::Commit, parsed(&self.commits[number - 1]))
    }

    fn snapshot(&self, number: usize) -> LocatedRow {
        self.find(Kind::Snapshot, parsed(&self.snapshots[number - 1]))
    }

    fn object(&self, name: &str) -> LocatedRow {
        let (_, id) = self.objects.iter().find(|(found, _)| *found == name).unwrap();
        self.find(Kind::Object, parsed(id))
    }

    fn tag(&self, number: usize) -> LocatedRow {
        let text = sha256(format!("v{number}").as_bytes());
        self.find(Kind::Tag, EntityId::new(Form::Text, text))
    }

    /// What a plan copies.
    fn records(&self, plan: &Plan) -> Vec<LocatedRow> {
        let mut records = Vec::new();
        for step in &plan.steps {
            let Step::Copy(span) = step else { continue };
            let directory = &self.packs[span.pack as usize].directory;
            for number in directory.whole_rows(span.offset, span.length).unwrap() {
                let row = directory.row(number).unwrap();
                records.push(LocatedRow { pack: span.pack, number, row });
            }
        }
        records
    }

    /// A plan that copies records, with all counts right.
    fn plan(&self, records: &[LocatedRow]) -> Plan {
        let of = |kind| records.iter().filter(move |record| record.row.kind == kind);
        let mut steps = Vec::new();
        let mut literal = Vec::new();
        let mut counts = Counts::default();
        // A pack has a section of tags only if it has tags.
        let has_tags = of(Kind::Tag).next().is_some();
        let sections = if has_tags { &Kind::ALL[..] } else { &Kind::ALL[..3] };
        put_map(&mut literal, sections.len() as u32 + 1);
        for kind in sections.iter().copied() {
            put_str(&mut literal, kind.section());
            put_array(&mut literal, of(kind).count() as u32);
            *counts.of(kind) = of(kind).count() as u64;
            steps.push(Step::Literal(std::mem::take(&mut literal)));
            steps.extend(of(kind).map(|record| Step::Copy(record.row.span(record.pack))));
        }
        put_str(&mut literal, "branch_heads");
        put_map(&mut literal, self.heads.len() as u32);
        for head in &self.heads {
            put_str(&mut literal, &head.branch);
            put_str(&mut literal, &head.commit.to_string());
        }
        steps.push(Step::Literal(literal));
        let bytes = steps.iter().map(Step::bytes).sum();
        Plan { records: counts, bytes, duplicates: 0, steps }
    }
}

fn parsed(id: &str) -> EntityId {
    EntityId::parse(id.as_bytes()).unwrap()
}

/// Fetches from commit 1 to 3, and from 4 to 3, with answers that `lie` changes.
async fn updates(
    request: Option<fn(&Pulls) -> Request>,
    reuse: Option<u32>,
    lie: fn(&mut Vec<LocatedRow>, &Pulls),
) -> Vec<packhouse_model::error::Result<Counts>> {
    let mut ends = Vec::new();
    for had in [1, 4] {
        let (fixture, pulls) = Pulls::new().await;
        let fetched = fixture.fetch().await;
        let answers = fixture.folder.path().join("answers");
        let before = files(&answers);
        let (all, other) = (pulls.clone(), request.map(|request| request(&pulls)));
        let planner = Liar::new(move |honest, mut host, records, request| {
            // It may copy any record of a directory that it has paged.
            for pack in 0..all.packs.len() as u32 {
                host.pack_index(pack, 0, 0).unwrap();
            }
            let mut answer = honest.assemble(host, records, other.as_ref().unwrap_or(request))?;
            let mut records = all.records(&answer.plan);
            lie(&mut records, &all);
            answer.plan = all.plan(&records);
            answer.reuse = reuse.or(answer.reuse);
            Ok(answer)
        });
        let store = Store { planner, ..fixture.store.clone() };
        let update = FetchRequest {
            want: vec![pulls.commits[2].clone()],
            have: vec![pulls.commits[had - 1].clone()],
            ..FetchRequest::default()
        };
        let end = store.fetch(&fixture.repo, &update, &Progress::silent()).await;
        if let Err(error) = &end {
            assert_eq!(files(&answers), before, "{error}: something was kept");
            assert_eq!(files(&fixture.folder.path().join("staging")), 0, "{error}");
            fixture.assert_unharmed(&fetched, &error.to_string()).await;
        }
        ends.push(end.map(|report| Counts {
            commits: report.commit_count,
            snapshots: report.snapshot_count,
            objects: report.object_count,
            tags: report.tag_count,
        }));
    }
    ends
}

/// Files below a folder.
fn files(folder: &std::path::Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { files(&path) } else { 1 })
        .sum()
}

/// A lie ends in an error that says so, whatever the client has.
async fn caught(says: &str, lie: fn(&mut Vec<LocatedRow>, &Pulls)) {
    all_refused(says, updates(None, None, lie).await);
}

fn all_refused(says: &str, ends: Vec<packhouse_model::error::Result<Counts>>) {
    for end in ends {
        let error = end.expect_err("a lie was given out");
        assert!(matches!(error, Error::Unproven { .. }), "{error}");
        assert_eq!(error.class(), Class::Refused);
        assert!(error.to_string().contains(says), "`{error}` lacks `{says}`");
    }
}

fn is(record: &LocatedRow, other: LocatedRow) -> bool {
    let key = |row: Row| (row.kind, row.id);
    key(record.row) == key(other.row)
}

#[tokio::test]
async fn an_honest_update_is_given_out() {
    for end in updates(None, None, |_, _| ()).await {
        let expected = Counts { commits: 2, snapshots: 2, objects: 2, tags: 2 };
        assert_eq!(end.unwrap(), expected);
    }
}

#[tokio::test]
async fn law_4_an_update_without_a_commit_is_caught() {
    caught("leaves out commit", |records, pulls| {
        records.retain(|record| !is(record, pulls.commit(2)));
    })
    .await;
}

#[tokio::test]
async fn law_4_an_update_without_a_snapshot_is_caught() {
    caught("leaves out snapshot", |records, pulls| {
        records.retain(|record| !is(record, pulls.snapshot(3)) && !is(record, pulls.object("E")));
    })
    .await;
}

#[tokio::test]
async fn law_4_an_update_without_an_object_is_caught() {
    caught("leaves out object", |records, pulls| {
        records.retain(|record| !is(record, pulls.object("C")));
    })
    .await;
}

#[tokio::test]
async fn law_4_an_update_without_a_tag_is_caught() {
    caught("leaves out tag", |records, pulls| {
        records.retain(|record| !is(record, pulls.tag(3)));
    })
    .await;
}

#[tokio::test]
async fn law_4_an_update_with_more_is_caught() {
    caught("adds commit", |records, pulls| records.push(pulls.commit(4))).await;
    caught("adds snapshot", |records, pulls| records.push(pulls.snapshot(4))).await;
    caught("adds object", |records, pulls| records.push(pulls.object("D"))).await;
    caught("adds tag", |records, pulls| records.push(pulls.tag(4))).await;
    caught("twice", |records, pulls| records.push(pulls.object("E"))).await;
}

#[tokio::test]
async fn law_4_an_update_that_repeats_what_is_had_is_caught() {
    caught("adds commit", |records, pulls| records.push(pulls.commit(1))).await;
    caught("adds snapshot", |records, pulls| records.push(pulls.snapshot(1))).await;
    caught("repeats object", |records, pulls| records.push(pulls.object("A"))).await;
}

#[tokio::test]
async fn law_4_an_update_of_another_branch_is_caught() {
    let other: fn(&Pulls) -> Request =
        |pulls| Request { want: vec![parsed(&pulls.commits[3])], ..Request::default() };
    all_refused("commit", updates(Some(other), None, |_, _| ()).await);
    let nothing: fn(&Pulls) -> Request = |_| Request::default();
    all_refused("leaves out commit", updates(Some(nothing), None, |_, _| ()).await);
}

#[tokio::test]
async fn law_4_a_pack_that_is_not_the_answer_is_not_given_out() {
    let ends = updates(None, Some(0), |_, _| ()).await;
    all_refused("does not hold what it counts", ends);
}
