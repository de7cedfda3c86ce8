//! Answers to fetches, and the room that they take.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_model::error::{ExhaustedBudget, Result};
use packhouse_model::names::{MpackKey, RepoId};

use super::MemoryCatalog;
use super::state::KeptAnswer;
use crate::answers::{AnswerUsage, STRANGERS};
use crate::{AnswerBudget, Answers, NewAnswer};

#[async_trait]
impl Answers for MemoryCatalog {
    async fn take_room(
        &self,
        name: &MpackKey,
        answer: &NewAnswer,
        budget: Option<AnswerBudget>,
    ) -> Result<Option<ExhaustedBudget>> {
        let mut state = self.write();
        let mut kept = AnswerUsage::default();
        for other in state.repos.values().flat_map(|repo| repo.answers.values()) {
            kept.all += other.bytes;
            kept.strangers += if other.caller.starts_with(STRANGERS) { other.bytes } else { 0 };
            kept.caller += if other.caller == answer.caller { other.bytes } else { 0 };
        }
        if let Some(used_up) =
            budget.and_then(|budget| budget.lacks(kept, answer.bytes, &answer.caller))
        {
            return Ok(Some(used_up));
        }
        let NewAnswer { repo, plan: _, bytes, caller, expires_at } = answer.clone();
        state
            .of(repo)
            .answers
            .insert(*name, KeptAnswer { plan: None, bytes, caller, until: expires_at });
        Ok(None)
    }

    async fn give_room_back(&self, repo: i64, name: &MpackKey) -> Result<()> {
        self.write().of(repo).answers.retain(|key, answer| key != name || answer.plan.is_some());
        Ok(())
    }

    async fn answer_of(
        &self,
        repo: i64,
        plan: &str,
        expires_at: Timestamp,
    ) -> Result<Option<MpackKey>> {
        let mut state = self.write();
        let found = state
            .of(repo)
            .answers
            .iter_mut()
            .find(|(_, answer)| answer.plan.as_deref() == Some(plan));
        Ok(found.map(|(key, answer)| {
            answer.until = answer.until.max(expires_at);
            *key
        }))
    }

    async fn note_answer(&self, name: &MpackKey, key: &MpackKey, answer: &NewAnswer) -> Result<()> {
        self.give_room_back(answer.repo, name).await?;
        let mut state = self.write();
        let NewAnswer { repo, plan, bytes, caller, expires_at } = answer.clone();
        let made = KeptAnswer { plan: Some(plan), bytes, caller, until: expires_at };
        let kept = state.of(repo).answers.entry(*key).or_insert_with(|| made.clone());
        (kept.plan, kept.bytes, kept.until) = (made.plan, bytes, kept.until.max(expires_at));
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
