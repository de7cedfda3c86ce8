//! Clone and pull.

use std::collections::BTreeSet;

use crate::answer::Branches;
use crate::error::{Error, Kind, Result};
use crate::id::Id;
use crate::local::Local;
use crate::pack::Pack;
use crate::remote::Remote;

/// Haves of one round.
const HAVES: usize = 64;

/// How a pack comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetching {
    /// As the answer to `POST /fetch`.
    Direct,
    /// From the URL that `POST /fetch/mpack` answers.
    Mpack,
}

/// What a pull did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulled {
    /// Branches that are new or went forward.
    pub updated: Vec<String>,
    /// Branches that stay, as both sides have what the other has not.
    pub diverged: Vec<String>,
    /// How many rounds of negotiation it took.
    pub rounds: usize,
}

impl Local {
    /// A copy of all that a remote's branches reach. It has the remote's repository id.
    pub async fn clone_from(remote: &Remote, how: Fetching) -> Result<Self> {
        let refs = remote.refs().await?;
        let mut local = Local::new(&refs.repo_id);
        local.repo_id.clone_from(&refs.repo_id);
        let heads = distinct(refs.branch_heads.values());
        if !heads.is_empty() {
            // Every head at once, as the real client.
            local.take_in(remote.get_pack(how, &heads, &[]).await?)?;
        }
        local.move_branches(refs)?;
        Ok(local)
    }

    /// Gets what a remote's branches reach and this repository lacks, and moves the branches that
    /// go forward.
    pub async fn pull(&mut self, remote: &Remote, how: Fetching) -> Result<Pulled> {
        let refs = remote.refs().await?;
        let lacking =
            distinct(refs.branch_heads.values().filter(|head| !self.commits.contains_key(*head)));
        let mut rounds = 0;
        if !lacking.is_empty() {
            let have = self.negotiate(remote, &lacking, &mut rounds).await?;
            self.take_in(remote.get_pack(how, &lacking, &have).await?)?;
        }
        let pulled = self.move_branches(refs)?;
        Ok(Pulled { rounds, ..pulled })
    }

    /// Gets what a remote's branches reach and this repository lacks, as `muse fetch` does: all
    /// commits that are here are the haves. Moves no branch.
    pub async fn fetch(&mut self, remote: &Remote) -> Result<()> {
        let refs = remote.refs().await?;
        let have: Vec<Id> = self.commits.keys().cloned().collect();
        self.take_in(remote.fetch(&distinct(refs.branch_heads.values()), &have).await?)?;
        self.tracking = refs.branch_heads;
        Ok(())
    }

    /// Which of our commits the remote has, the newest first, as far back as needed to find a
    /// common ancestor.
    async fn negotiate(&self, remote: &Remote, want: &[Id], rounds: &mut usize) -> Result<Vec<Id>> {
        let ours = self.reach(self.branches.values().chain(self.tracking.values()));
        let ours: Vec<Id> =
            self.newest_first(&ours).into_iter().map(|commit| commit.id.clone()).collect();
        let mut known = Vec::new();
        let no_haves = [&[][..]];
        let parts = ours.chunks(HAVES).chain(no_haves.into_iter().filter(|_| ours.is_empty()));
        for have in parts {
            let answer = remote.negotiate(want, have).await?;
            *rounds += 1;
            if let Some(id) = answer.ack.iter().find(|id| !have.contains(id)) {
                let why = format!("{id} is acknowledged, which is none of the haves");
                return Err(Error::Answer { request: "POST /negotiate".to_owned(), why });
            }
            // The base may be a commit that was not requested; only what is here may be left out of
            // the pack.
            let base = answer
                .common_base
                .filter(|id| self.commits.contains_key(id) && !answer.ack.contains(id));
            known.extend(base.into_iter().chain(answer.ack));
            if answer.ready {
                break;
            }
        }
        Ok(known)
    }

    fn move_branches(&mut self, refs: Branches) -> Result<Pulled> {
        let mut pulled = Pulled::default();
        for (name, head) in &refs.branch_heads {
            if !self.commits.contains_key(head) {
                return Err(Error::missing(
                    Kind::Commit,
                    head,
                    format!("branch {name:?} of the remote"),
                ));
            }
        }
        for (name, head) in &refs.branch_heads {
            let ours = self.branches.get(name);
            if ours.is_none_or(|ours| ours != head && self.is_ancestor(ours, head)) {
                self.branches.insert(name.clone(), head.clone());
                pulled.updated.push(name.clone());
            } else if ours.is_some_and(|ours| !self.is_ancestor(head, ours)) {
                pulled.diverged.push(name.clone());
            }
        }
        self.tracking = refs.branch_heads;
        self.default_branch = refs.default_branch;
        Ok(pulled)
    }
}

impl Remote {
    /// What `want` reaches and `have` does not, one way or the other.
    pub async fn get_pack(&self, how: Fetching, want: &[Id], have: &[Id]) -> Result<Pack> {
        match how {
            Fetching::Direct => self.fetch(want, have).await,
            Fetching::Mpack => {
                self.download_mpack(&self.fetch_mpack(want, have, None).await?).await
            }
        }
    }
}

fn distinct<'a>(ids: impl Iterator<Item = &'a Id>) -> Vec<Id> {
    ids.collect::<BTreeSet<_>>().into_iter().cloned().collect()
}
