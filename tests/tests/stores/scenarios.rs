//! Runs every scenario of `fixtures/scenarios`, through the library. Each fetch is compared with
//! the model's to the byte, and each scenario ends with a consolidation that is compared as well.

use std::collections::BTreeMap;

use packhouse_host::{Class, Error, Progress, PushOptions, PushStatus, Result};
use packhouse_tests::model;
use packhouse_tests::scenario::{ErrorText, FetchText, Made, Scenario, Step};
use packhouse_tests::store::TestStore;

struct Play {
    name: String,
    store: TestStore,
    made: Made,
    /// Packs stored so far.
    stored: Vec<Vec<u8>>,
}

#[tokio::test]
async fn every_scenario_plays_as_it_is_written() {
    for (name, scenario) in Scenario::all() {
        assert!(scenario.about.len() > 20 && !scenario.steps.is_empty(), "{name}");
        let mut play =
            Play { name, store: TestStore::new().await, made: scenario.make(), stored: Vec::new() };
        for (number, step) in scenario.steps.iter().enumerate() {
            play.step(number + 1, step).await;
        }
        play.end().await;
    }
}

impl Play {
    async fn step(&mut self, number: usize, step: &Step) {
        let place = format!("{}, step {number}", self.name);
        let before = serde_json::to_value(self.store.show().await).unwrap();
        let kinds = usize::from(step.push.is_some())
            + usize::from(step.gc.is_some())
            + usize::from(step.fetch.is_some());
        assert_eq!(kinds, 1, "{place}: a step is one of push, gc and fetch");
        let outcome = self.act(&place, step).await;
        match (&step.error, outcome) {
            (None, Ok(())) => {}
            (None, Err(error)) => panic!("{place}: {error}"),
            (Some(_), Ok(())) => panic!("{place}: it did not fail"),
            (Some(expected), Err(error)) => {
                self.check_error(&place, expected, &error);
                assert_eq!(
                    serde_json::to_value(self.store.show().await).unwrap(),
                    before,
                    "{place} changed the store"
                );
            }
        }
        if let Some(heads) = &step.heads {
            let expected: BTreeMap<String, String> =
                heads.iter().map(|(b, c)| (b.clone(), self.made.id(c))).collect();
            assert_eq!(self.store.heads().await, expected, "{place}: heads");
        }
    }

    async fn act(&mut self, place: &str, step: &Step) -> Result<()> {
        if let Some(names) = &step.push {
            let packs: Vec<Vec<u8>> =
                names.iter().map(|name| self.made.packs[name].clone()).collect();
            let files: Vec<_> = packs.iter().map(|pack| self.store.file(pack)).collect();
            let options = PushOptions { force: step.force };
            let reports = self
                .store
                .store
                .push(&self.store.repo, &files, options, &Progress::silent())
                .await?;
            let word = |status| {
                if status == PushStatus::Stored {
                    "stored".to_owned()
                } else {
                    "unchanged".to_owned()
                }
            };
            if let Some(expected) = &step.status {
                assert_eq!(
                    reports.iter().map(|r| word(r.status)).collect::<Vec<_>>(),
                    *expected,
                    "{place}: status"
                );
            }
            if let Some(expected) = &step.new_objects {
                assert_eq!(
                    reports.iter().map(|r| r.new_objects).collect::<Vec<_>>(),
                    *expected,
                    "{place}: new objects"
                );
            }
            self.stored.extend(packs);
        }
        if let Some(expected) = &step.gc {
            let report = self.store.gc().await?;
            assert_eq!(
                (report.packs_before, report.packs_after),
                (expected.before, expected.after),
                "{place}: packs"
            );
            assert_eq!(report.skipped, expected.skipped, "{place}: skipped");
            if let Some(duplicates) = expected.duplicates {
                assert_eq!(report.duplicates_dropped, duplicates, "{place}: duplicates");
            }
        }
        if let Some(fetch) = &step.fetch {
            self.fetch(place, fetch).await?;
        }
        Ok(())
    }

    async fn fetch(&self, place: &str, fetch: &FetchText) -> Result<()> {
        let (want, have) = (self.made.ids(&fetch.want), self.made.ids(&fetch.have));
        let (answer, pack) = self.store.fetch(&want, &have).await?;
        let found = [
            ("commits", fetch.commits, answer.commit_count),
            ("snapshots", fetch.snapshots, answer.snapshot_count),
            ("objects", fetch.objects, answer.object_count),
            ("tags", fetch.tags, answer.tag_count),
            ("missing", fetch.missing, answer.missing),
        ];
        for (what, expected, found) in found {
            assert!(
                expected.is_none_or(|expected| expected == found),
                "{place}: {found} {what}, not {expected:?}"
            );
        }
        assert!(
            fetch.reused.is_none_or(|expected| expected == answer.reused),
            "{place}: reused is {}",
            answer.reused
        );

        let heads = self.store.heads().await;
        let known: Vec<String> =
            if want.is_empty() { heads.values().cloned().collect() } else { want };
        let all = model::union(&self.stored);
        let known: Vec<String> = known
            .into_iter()
            .filter(|id| all.contains_key(&(model::Kind::Commit, id.clone())))
            .collect();
        let expected = model::reach(&self.stored, &known, &have).unwrap().records;
        if answer.reused {
            let made = model::union(&[&pack]);
            assert!(
                made.len() == expected.len() && made.keys().eq(expected.keys()),
                "{place}: the reused pack"
            );
        } else {
            assert_eq!(pack, model::canonical(&expected, &heads), "{place}: the assembled pack");
        }
        Ok(())
    }

    fn check_error(&self, place: &str, expected: &ErrorText, error: &Error) {
        let class = match error.class() {
            Class::Refused => "refused",
            Class::Usage => "usage",
            Class::Conflict => "conflict",
            Class::Damage => "damage",
        };
        assert_eq!(class, expected.class, "{place}: {error}");
        for word in &expected.says {
            let word = match word.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
                Some(name) => self.made.id(name),
                None => word.clone(),
            };
            assert!(error.to_string().contains(&word), "{place}: `{error}` lacks `{word}`");
        }
    }

    async fn end(&self) {
        self.store.sound().await;
        let report = self.store.gc().await.unwrap();
        if !report.skipped || report.packs_before == 1 && self.stored.len() > 1 {
            let expected = model::consolidate(&self.stored, &self.store.heads().await);
            assert_eq!(
                report.consolidated_key.unwrap().to_string(),
                model::key(&expected),
                "{}: the end",
                self.name
            );
        }
        self.store.sound().await;
    }
}
