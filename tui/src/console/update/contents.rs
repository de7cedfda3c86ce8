//! What is inside repos: shows commits, the files of a commit, and records.

use packhouse_host::RepoName;

use super::prompt;
use crate::console::failure::BackendResult;
use crate::console::msg::Effect;
use crate::console::state::{
    Commits, Entity, Files, Item, Model, Opened, Paged, Records, Screen, Ticket, Wanted,
};

/// Shows the commits of the current repo: those of the selected branch, or of the default branch.
pub(super) fn show_commits(model: &mut Model) -> Vec<Effect> {
    let Some(repo) = model.current_repo() else { return Vec::new() };
    let ticket = model.ticket();
    let mut commits = Commits::new(repo.clone(), selected_branch(model));
    let query = commits.begin(ticket);
    model.screens.push(Screen::Commits(Box::new(commits)));
    vec![Effect::Commits(ticket, repo, query)]
}

fn selected_branch(model: &Model) -> Option<String> {
    let Some(Screen::Repo(repo)) = model.screens.last() else { return None };
    let Item::Head(at) = repo.current()? else { return None };
    repo.known.as_ref()?.report.branch_heads.keys().nth(at).cloned()
}

/// Shows the files of the displayed or selected commit.
pub(super) fn show_files(model: &mut Model) -> Vec<Effect> {
    let (Some(repo), Some((commit, subject))) = (model.current_repo(), model.commit_here()) else {
        return Vec::new();
    };
    let ticket = model.ticket();
    let mut files = Files::new(repo.clone(), commit, subject);
    let query = files.begin(ticket);
    model.screens.push(Screen::Files(Box::new(files)));
    vec![Effect::Files(ticket, repo, query)]
}

/// Shows the records of the selected pack.
pub(super) fn show_records(model: &mut Model) -> Vec<Effect> {
    let (Some(repo), Some(pack)) = (model.current_repo(), model.pack_here()) else {
        return Vec::new();
    };
    let ticket = model.ticket();
    let mut records = Records::new(repo.clone(), pack);
    let query = records.begin(ticket);
    model.screens.push(Screen::Records(Box::new(records)));
    vec![Effect::Records(ticket, repo, query)]
}

/// Shows the displayed record in its pack.
pub(super) fn show_place(model: &mut Model) -> Vec<Effect> {
    let (Some(repo), Some((pack, id))) = (model.current_repo(), model.record_here()) else {
        return Vec::new();
    };
    let ticket = model.ticket();
    let mut records = Records::new(repo.clone(), pack);
    records.search(&id);
    let query = records.begin(ticket);
    model.screens.push(Screen::Records(Box::new(records)));
    vec![Effect::Records(ticket, repo, query)]
}

/// Asks for a kind or an ID to search the displayed pack for.
pub(super) fn ask_record(model: &mut Model) {
    if let Some(Screen::Records(records)) = model.screens.last() {
        let text = records.text().to_owned();
        prompt::ask(model, Wanted::Records, &text);
    }
}

/// Searches the displayed pack.
pub(super) fn search_records(model: &mut Model, text: &str) -> Vec<Effect> {
    let ticket = model.ticket();
    let Some(Screen::Records(records)) = model.screens.last_mut() else { return Vec::new() };
    records.search(text);
    vec![Effect::Records(ticket, records.repo.clone(), records.begin(ticket))]
}

/// Shows the selected object or record.
pub(super) fn show_selected(model: &mut Model) -> Vec<Effect> {
    let id = model.id_here();
    id.map(|id| show_record(model, id)).unwrap_or_default()
}

/// Shows the record of the displayed or selected commit.
pub(super) fn show_commit(model: &mut Model) -> Vec<Effect> {
    let commit = model.commit_here();
    commit.map(|(id, _)| show_record(model, id)).unwrap_or_default()
}

fn show_record(model: &mut Model, id: String) -> Vec<Effect> {
    let Some(repo) = model.current_repo() else { return Vec::new() };
    let ticket = model.ticket();
    let path = match model.screens.last() {
        // The record of the commit, which is opened from there as well, has no path.
        Some(Screen::Files(files)) => files.pages.current().filter(|file| file.object == id),
        _ => None,
    };
    let path = path.map(|file| file.path.clone());
    let entity = Entity { path, ..Entity::new(repo.clone(), id.clone(), ticket) };
    model.screens.push(Screen::Entity(Box::new(entity)));
    vec![Effect::Entity(ticket, repo, id)]
}

/// Switches between content and bytes in hexadecimal.
pub(super) fn turn_raw(model: &mut Model) {
    if let Some(Screen::Entity(entity)) = model.screens.last_mut() {
        entity.raw = !entity.raw;
        entity.top.set(0);
    }
}

/// Loads the next page of the displayed commits, files or records, if the cursor is near the end.
pub(super) fn more(model: &mut Model) -> Option<Effect> {
    let ticket = model.ticket();
    match model.screens.last_mut()? {
        Screen::Commits(commits) => {
            let query = commits.more(ticket)?;
            Some(Effect::Commits(ticket, commits.repo.clone(), query))
        }
        Screen::Files(files) => {
            let query = files.more(ticket)?;
            Some(Effect::Files(ticket, files.repo.clone(), query))
        }
        Screen::Comparison(it) => {
            let query = it.more(ticket)?;
            Some(Effect::Compare(ticket, it.repo.clone(), query))
        }
        Screen::Records(records) => {
            let query = records.more(ticket)?;
            Some(Effect::Records(ticket, records.repo.clone(), query))
        }
        _ => None,
    }
}

/// Asks for words of a path, or after a `/` for a folder or a file, of the displayed commit.
pub(super) fn ask_path(model: &mut Model) {
    if let Some(Screen::Files(files)) = model.screens.last() {
        let text = match (files.text(), files.path()) {
            ("", "") => String::new(),
            ("", path) => format!("/{path}"),
            (text, _) => text.to_owned(),
        };
        prompt::ask(model, Wanted::Path, &text);
    }
}

/// Searches the displayed files for words; after a `/`, lists a folder or a file. Without anything, all
/// files.
pub(super) fn search_files(model: &mut Model, text: &str) -> Vec<Effect> {
    let ticket = model.ticket();
    let Some(Screen::Files(files)) = model.screens.last_mut() else { return Vec::new() };
    match text.strip_prefix('/') {
        Some(path) => files.go_to(path.trim_matches('/')),
        None if text.is_empty() => files.go_to(""),
        None => files.search(text),
    }
    vec![Effect::Files(ticket, files.repo.clone(), files.begin(ticket))]
}

/// Loads a screen again, if what it shows may have changed, or if it could not be loaded. Commits
/// and contents never change, but branches and packs do. With `all`, also what would lose pages.
pub(super) fn reload(screen: &mut Screen, ticket: Ticket, all: bool) -> Option<Effect> {
    match screen {
        Screen::Commits(commits) if all || !commits.is_long() => {
            let query = commits.begin(ticket);
            Some(Effect::Commits(ticket, commits.repo.clone(), query))
        }
        Screen::Files(files) if !files.pages.known || files.pages.failure.is_some() => {
            Some(Effect::Files(ticket, files.repo.clone(), files.begin(ticket)))
        }
        // Packs never change, and to compare them again takes long.
        Screen::Comparison(it)
            if it.pages.loading.is_none()
                && (all || it.totals.is_none() || it.pages.failure.is_some()) =>
        {
            let query = if all { it.begin(ticket) } else { it.again(ticket) };
            Some(Effect::Compare(ticket, it.repo.clone(), query))
        }
        // What the index maps to it changes, but a reload would lose pages.
        Screen::Records(records)
            if records.pages.loading.is_none()
                && (all || records.whole.is_none() || records.pages.failure.is_some()) =>
        {
            let query = records.begin(ticket);
            Some(Effect::Records(ticket, records.repo.clone(), query))
        }
        Screen::Entity(entity) => {
            entity.loading = Some(ticket);
            Some(Effect::Entity(ticket, entity.repo.clone(), entity.id.clone()))
        }
        Screen::Find(find) => {
            let repos: Vec<RepoName> = find.next(ticket)?;
            Some(Effect::Find(ticket, find.id.clone(), repos))
        }
        _ => None,
    }
}

/// A page of a list. A search that has found too few goes on while it is displayed.
pub(super) fn page<L: Paged>(
    model: &mut Model,
    ticket: Ticket,
    answer: BackendResult<L::Page>,
) -> Vec<Effect> {
    let missed = matches!(&answer, Err(failure) if model.misses(failure));
    let Some(list) = L::awaiting(model, ticket) else { return Vec::new() };
    match missed {
        true => list.give_up(),
        false => list.take(answer),
    }
    let goes_on = !missed && list.is_searching();
    model.dirty = true;
    if goes_on { more(model).into_iter().collect() } else { Vec::new() }
}

/// A record.
pub(super) fn opened(model: &mut Model, ticket: Ticket, answer: BackendResult<Box<Opened>>) {
    let missed = matches!(&answer, Err(failure) if model.misses(failure));
    let Some(entity) = model.entity_awaiting(ticket) else { return };
    match missed {
        true => entity.loading = None,
        false => entity.take(answer),
    }
    model.dirty = true;
}

#[cfg(test)]
mod tests {
    use packhouse_host::MpackKey;
    use packhouse_host::report::{ComparedTotals, PackComparison};

    use super::*;
    use crate::console::state::Comparison;

    #[test]
    fn a_comparison_that_is_loading_is_not_begun_again_when_the_store_changes() {
        let repo = "a/b".parse().unwrap();
        let comparison = Comparison::new(repo, [1, 2].map(|n| MpackKey::new([n; 32])));
        let mut screen = Screen::Comparison(Box::new(comparison));
        assert!(reload(&mut screen, Ticket(1), false).is_some());
        assert!(reload(&mut screen, Ticket(2), true).is_none());
        let Screen::Comparison(it) = &mut screen else { panic!() };
        it.take(Ok(PackComparison {
            totals: Some(ComparedTotals::default()),
            ..PackComparison::default()
        }));
        assert!(reload(&mut screen, Ticket(3), false).is_none(), "packs never change");
        assert!(reload(&mut screen, Ticket(4), true).is_some(), "the operator wants it");
    }
}
