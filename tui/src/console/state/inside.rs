//! What is inside repos: what is selected there, and which screens wait for a result.

use packhouse_host::MpackKey;
use packhouse_host::contents::Kind;

use super::entity::Entity;
use super::find::Find;
use super::model::Model;
use super::packs::Packs;
use super::screen::Screen;
use super::ticket::Ticket;

impl Model {
    /// The key of the selected pack of a repo.
    pub(in crate::console) fn pack_here(&self) -> Option<MpackKey> {
        match self.screens.last()? {
            Screen::Packs(packs) => packs.current().map(|pack| pack.key),
            _ => None,
        }
    }

    /// The ID of the selected commit, object or record.
    pub(in crate::console) fn id_here(&self) -> Option<String> {
        match self.screens.last()? {
            Screen::Commits(commits) => Some(commits.current()?.commit.clone()),
            Screen::Files(files) => Some(files.pages.current()?.object.clone()),
            Screen::Find(find) => Some(find.current()?.id.clone()),
            Screen::Comparison(comparison) => Some(comparison.pages.current()?.id.clone()),
            // What was dropped is not found by its ID.
            Screen::Records(records) => records
                .pages
                .current()
                .filter(|record| record.mpack_key.is_some())
                .map(|it| it.id.clone()),
            _ => None,
        }
    }

    /// The displayed or selected commit, and the first line of its message.
    pub(in crate::console) fn commit_here(&self) -> Option<(String, Option<String>)> {
        let subject = |message: &str| message.lines().next().map(str::to_owned);
        match self.screens.last()? {
            Screen::Commits(commits) => {
                let commit = commits.current()?;
                Some((commit.commit.clone(), commit.message.as_deref().and_then(subject)))
            }
            Screen::Files(files) => Some((files.commit.clone(), files.subject.clone())),
            Screen::Entity(entity) => {
                let record = &entity.known.as_ref()?.record;
                let message = record.fields.as_ref().and_then(|fields| fields.get("message"));
                let message = message.and_then(|message| message.as_str()).and_then(subject);
                (record.place.kind == Kind::Commit).then(|| (record.place.id.clone(), message))
            }
            _ => None,
        }
    }

    /// The pack and the ID of the displayed record.
    pub(in crate::console) fn record_here(&self) -> Option<(MpackKey, String)> {
        let Some(Screen::Entity(entity)) = self.screens.last() else { return None };
        let place = &entity.known.as_ref()?.record.place;
        Some((place.mpack_key, place.id.clone()))
    }

    /// The packs that wait for a ticket.
    pub(in crate::console) fn packs_awaiting(&mut self, ticket: Ticket) -> Option<&mut Packs> {
        self.screens.iter_mut().find_map(|screen| match screen {
            Screen::Packs(packs) if packs.loading == Some(ticket) => Some(packs.as_mut()),
            _ => None,
        })
    }

    /// The record that waits for a ticket.
    pub(in crate::console) fn entity_awaiting(&mut self, ticket: Ticket) -> Option<&mut Entity> {
        self.screens.iter_mut().find_map(|screen| match screen {
            Screen::Entity(entity) if entity.loading == Some(ticket) => Some(entity.as_mut()),
            _ => None,
        })
    }

    /// The search that waits for a ticket.
    pub(in crate::console) fn find_awaiting(&mut self, ticket: Ticket) -> Option<&mut Find> {
        self.screens.iter_mut().find_map(|screen| match screen {
            Screen::Find(find) if find.loading == Some(ticket) => Some(find.as_mut()),
            _ => None,
        })
    }
}
