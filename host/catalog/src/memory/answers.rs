//! Answers to fetches that are kept.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_model::error::Result;
use packhouse_model::names::{MpackKey, RepoId};

use super::MemoryCatalog;
use super::state::KeptAnswer;
use crate::{Answers, NewAnswer};

#[async_trait]
impl Answers for MemoryCatalog {
    async fn answer_of(
        &self,
        repo: i64,
        plan: &str,
        expires_at: Timestamp,
    ) -> Result<Option<MpackKey>> {
        let mut state = self.write();
        let found = state.of(repo).answers.iter_mut().find(|(_, answer)| answer.plan == plan);
        Ok(found.map(|(key, answer)| {
            answer.until = answer.until.max(expires_at);
            *key
        }))
    }

    async fn note_answer(&self, key: &MpackKey, answer: &NewAnswer) -> Result<()> {
        let mut state = self.write();
        let NewAnswer { repo, plan, expires_at } = answer.clone();
        let made = KeptAnswer { plan, until: expires_at };
        let kept = state.of(repo).answers.entry(*key).or_insert_with(|| made.clone());
        (kept.plan, kept.until) = (made.plan, kept.until.max(expires_at));
        Ok(())
    }

    async fn expired_answers(&self, repo: i64, now: Timestamp) -> Result<Vec<MpackKey>> {
        Ok(self.read().repos[&repo]
            .answers
            .iter()
            .filter(|(_, answer)| answer.until < now)
            .map(|(key, _)| *key)
            .collect())
    }

    async fn repos_with_expired_answers(&self, now: Timestamp) -> Result<BTreeMap<i64, RepoId>> {
        let state = self.read();
        let expired = state
            .repos
            .iter()
            .filter(|(_, repo)| repo.answers.values().any(|answer| answer.until < now));
        Ok(expired.map(|(id, repo)| (*id, repo.row.repo_id.clone())).collect())
    }

    async fn forget_answers(&self, repo: i64, now: Timestamp) -> Result<()> {
        self.write().of(repo).answers.retain(|_, answer| answer.until >= now);
        Ok(())
    }
}
