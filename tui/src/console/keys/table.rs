//! Every action: where it works, its default keys, its hint and its help.

use std::borrow::Cow;

use crossterm::event::KeyCode;

use super::focus::Focus;
use super::key::Key;

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::console) enum Action {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    /// Opens the selected item.
    Open,
    Consolidate,
    /// Shows a plan without running it.
    Preview,
    Verify,
    Refresh,
    Filter,
    SortNext,
    SortPrevious,
    SortTurn,
    Mark,
    MarkAll,
    Copy,
    Runs,
    History,
    /// Shows the repos, the jobs, what needs attention, or the packs that no repo needs.
    Repos,
    Jobs,
    Health,
    Prune,
    /// Shows the policies, and which repos are due.
    Policies,
    /// Opens the form of the selected repo's policy, or of the default policy.
    EditPolicy,
    EditDefault,
    /// Resets a policy.
    ResetPolicy,
    /// Shows the packs of a repo.
    Packs,
    /// Compares two packs.
    Compare,
    /// Shows the commits of a repo.
    Commits,
    /// Shows the record of a commit.
    Entity,
    /// Shows bytes in hexadecimal.
    Raw,
    /// Looks for an ID.
    Find,
    /// Shows the access tokens.
    Tokens,
    /// Creates a token.
    NewToken,
    /// Revokes a token.
    Revoke,
    /// Writes the lines of a list to a file.
    Export,
    /// Deletes a branch.
    DeleteBranch,
    /// Repairs a damaged repo, or the marked ones.
    Repair,
    /// Repairs all damaged repos.
    RepairAll,
    /// Shows who works on jobs.
    Workers,
    /// Shows the server of a remote store.
    Server,
    /// Shows the filters of the config.
    Filters,
    /// Shows the columns of a table.
    Columns,
    /// Moves a column up or down in its list.
    ColumnUp,
    ColumnDown,
    /// Deletes the packs that are due.
    PruneNow,
    RetryJob,
    CancelJob,
    /// Filters jobs by another status.
    StatusNext,
    StatusPrevious,
    Log,
    Help,
    Palette,
    /// Closes the screen; in the list of repos, removes marks and filter.
    Back,
    /// Quits from anywhere.
    Quit,
    Suspend,
    /// Confirms the dialog. In a read-only console, that is only one about a command of the config.
    Confirm,
    /// Closes a dialog without doing anything; the default.
    Decline,
    /// Does what the selected button of a dialog says.
    Press,
    /// Selects another button.
    NextButton,
    PreviousButton,
    /// Goes to another field of a form; the first follows the last.
    NextField,
    PreviousField,
    /// Cancels a run.
    Stop,
    /// Cancels all queued runs.
    CancelQueued,
    /// Quits when all runs have ended.
    Wait,
    /// Quits at once while disconnected.
    LeaveNow,
    /// Accepts the input.
    Accept,
    /// Discards the input.
    Cancel,
    Erase,
    EraseWord,
    EraseAll,
    /// Types a character; not in the table.
    Type(char),
    /// Runs a command of the config, by its position there; not in the table.
    Command(usize),
}

/// A row of the table. The rows of commands are made from the config.
#[derive(Clone, Debug)]
pub(in crate::console) struct Row {
    pub(in crate::console) action: Action,
    /// Its name in the config and the palette.
    pub(in crate::console) name: Cow<'static, str>,
    pub(in crate::console) keys: Cow<'static, [Key]>,
    /// Where the action works.
    pub(in crate::console) works_in: Cow<'static, [Focus]>,
    /// The hint in the footer; empty to hide it.
    pub(in crate::console) hint: Cow<'static, str>,
    /// The sentence in the help.
    pub(in crate::console) help: Cow<'static, str>,
    /// Whether it can change the store; disabled if the console is read-only.
    pub(in crate::console) changes: bool,
}

const fn row(
    action: Action,
    name: &'static str,
    keys: &'static [Key],
    works_in: &'static [Focus],
    hint: &'static str,
    help: &'static str,
) -> Row {
    Row {
        action,
        name: Cow::Borrowed(name),
        keys: Cow::Borrowed(keys),
        works_in: Cow::Borrowed(works_in),
        hint: Cow::Borrowed(hint),
        help: Cow::Borrowed(help),
        changes: false,
    }
}

const fn change(mut row: Row) -> Row {
    row.changes = true;
    row
}

const UP: Key = Key::plain(KeyCode::Up);
const DOWN: Key = Key::plain(KeyCode::Down);
const ENTER: Key = Key::plain(KeyCode::Enter);
const ESC: Key = Key::plain(KeyCode::Esc);
const LEFT: Key = Key::plain(KeyCode::Left);
const RIGHT: Key = Key::plain(KeyCode::Right);
const TAB: Key = Key::plain(KeyCode::Tab);
const BACKTAB: Key = Key::plain(KeyCode::BackTab);

use Focus as F;

/// Screens that scroll, and use letters as commands.
const LETTERS: &[Focus] = &[
    F::Repos,
    F::Repo,
    F::Packs,
    F::Records,
    F::Comparison,
    F::Commits,
    F::Files,
    F::Entity,
    F::Find,
    F::Preview,
    F::Runs,
    F::Done,
    F::History,
    F::Record,
    F::Jobs,
    F::Job,
    F::Health,
    F::Prune,
    F::Policies,
    F::Tokens,
    F::Workers,
    F::Server,
    F::Filters,
    F::Columns,
    F::Log,
    F::Help,
];
/// Everything that scrolls.
const SCROLLED: &[Focus] = &[
    F::Repos,
    F::Filter,
    F::Repo,
    F::Packs,
    F::Records,
    F::Comparison,
    F::Commits,
    F::Files,
    F::Entity,
    F::Find,
    F::Prompt,
    F::Preview,
    F::Confirm,
    F::Typing,
    F::Runs,
    F::Done,
    F::History,
    F::Search,
    F::Record,
    F::Jobs,
    F::Job,
    F::Health,
    F::Prune,
    F::Policies,
    F::PolicyForm,
    F::Tokens,
    F::Workers,
    F::Server,
    F::Filters,
    F::Columns,
    F::Log,
    F::Palette,
    F::Help,
];
/// Where a repo, a key, a job or a command is shown or selected.
const COPIED: &[Focus] = &[
    F::Repos,
    F::Repo,
    F::Packs,
    F::Records,
    F::Comparison,
    F::Commits,
    F::Files,
    F::Entity,
    F::Find,
    F::Runs,
    F::Done,
    F::History,
    F::Record,
    F::Jobs,
    F::Job,
    F::Health,
    F::Prune,
    F::Policies,
    F::Tokens,
    F::NewToken,
    F::Workers,
];
/// Where the keys of other screens work, and commands of the config may.
pub(in crate::console) const SCREENS: &[Focus] = &[
    F::Repos,
    F::Repo,
    F::Packs,
    F::Records,
    F::Comparison,
    F::Commits,
    F::Files,
    F::Entity,
    F::Find,
    F::Preview,
    F::Runs,
    F::Run,
    F::Done,
    F::History,
    F::Record,
    F::Jobs,
    F::Job,
    F::Health,
    F::Prune,
    F::Policies,
    F::Tokens,
    F::NewToken,
    F::Workers,
    F::Server,
    F::Filters,
    F::Columns,
    F::Log,
];
/// The same without the health, whose footer has a hint for what works everywhere.
const ELSEWHERE: &[Focus] = &[
    F::Repos,
    F::Repo,
    F::Packs,
    F::Records,
    F::Comparison,
    F::Commits,
    F::Files,
    F::Entity,
    F::Find,
    F::Preview,
    F::Runs,
    F::Run,
    F::Done,
    F::History,
    F::Record,
    F::Jobs,
    F::Job,
    F::Prune,
    F::Policies,
    F::Tokens,
    F::NewToken,
    F::Workers,
    F::Server,
    F::Filters,
    F::Columns,
    F::Log,
];
/// Lists that can be written to a file.
const LISTS: &[Focus] = &[
    F::Repos,
    F::Repo,
    F::Packs,
    F::Records,
    F::Comparison,
    F::Commits,
    F::Files,
    F::Find,
    F::Runs,
    F::History,
    F::Jobs,
    F::Prune,
    F::Policies,
    F::Tokens,
    F::Workers,
    F::Log,
];
const TEXT: &[Focus] = &[F::Filter, F::Search, F::Prompt, F::Palette, F::Typing, F::PolicyForm];

/// All actions. The footer shows as many hints as fit in this order, the most important first.
#[rustfmt::skip]
pub(in crate::console) static TABLE: &[Row] = &[
    row(Action::Confirm, "confirm", &[Key::char('y')], &[F::Confirm], "run this plan", "Run the displayed plan or command"),
    row(Action::Decline, "decline", &[ESC, Key::char('n'), Key::char('q')], &[F::Confirm], "cancel", "Close the dialog without changing anything"),
    row(Action::Wait, "quit-when-done", &[Key::char('w')], &[F::Leave], "wait, then quit", "Quit when all runs have finished"),
    row(Action::Stop, "cancel-all", &[Key::char('x')], &[F::Leave], "cancel all, then quit", "Cancel all runs at their next safe point, and quit"),
    row(Action::Stop, "cancel-run", &[Key::char('x')], &[F::Run, F::Runs], "cancel run", "Cancel the run at its next safe point"),
    row(Action::LeaveNow, "quit-now", &[Key::char('l')], &[F::Leave], "quit now", "Quit at once while disconnected; runs continue on the server"),
    row(Action::Decline, "stay", &[ESC, Key::char('n'), Key::char('q')], &[F::Leave], "stay", "Stay in the console"),
    row(Action::Press, "press-button", &[ENTER], &[F::Preview, F::Confirm, F::Leave], "", "Press the selected button; at first, the one that changes nothing is selected"),
    row(Action::Accept, "accept", &[ENTER], &[F::Filter, F::Search, F::Prompt], "apply", "Apply the input"),
    row(Action::Accept, "accept-count", &[ENTER], &[F::Typing], "confirm", "Do it if the number is correct, or press the selected button"),
    change(row(Action::Accept, "set-policy", &[ENTER], &[F::PolicyForm], "set policy", "Set the policy, after a confirmation")),
    row(Action::Accept, "choose", &[ENTER], &[F::Palette], "run", "Run the selected command"),
    row(Action::Cancel, "cancel", &[ESC], TEXT, "cancel", "Discard the input, and close"),
    row(Action::NextField, "next-field", &[TAB], &[F::PolicyForm], "next field", "Go to the next field; from the last, to the first"),
    row(Action::PreviousField, "previous-field", &[BACKTAB], &[F::PolicyForm], "", "Go to the previous field; from the first, to the last"),
    row(Action::NextButton, "next-button", &[TAB, RIGHT], &[F::Confirm, F::Typing, F::Leave], "next button", "Select the next button"),
    row(Action::PreviousButton, "previous-button", &[BACKTAB, LEFT], &[F::Confirm, F::Typing, F::Leave], "", "Select the previous button"),
    row(Action::Open, "open", &[ENTER], &[F::Repos, F::Repo, F::Packs, F::Records, F::Comparison, F::Commits, F::Files, F::Entity, F::Find, F::Workers, F::Runs, F::History, F::Jobs, F::Health, F::Prune, F::Policies, F::Filters], "open", "Open the selected item"),
    change(row(Action::RetryJob, "retry-job", &[Key::char('r')], &[F::Jobs, F::Job], "retry", "Retry a failed or cancelled job, after a confirmation")),
    change(row(Action::CancelJob, "cancel-job", &[Key::char('x')], &[F::Jobs, F::Job], "cancel job", "Cancel a queued or running job, after a confirmation")),
    change(row(Action::EditPolicy, "edit-policy", &[Key::char('e')], &[F::Policies], "edit policy", "Edit the policy of the repo, in a form")),
    change(row(Action::EditDefault, "edit-default", &[Key::char('E')], &[F::Policies], "edit default", "Edit the default policy, in a form")),
    change(row(Action::ResetPolicy, "reset-policy", &[Key::ctrl('r')], &[F::PolicyForm], "reset", "Reset to the default policy, or the default policy to the built-in one, after a confirmation")),
    change(row(Action::Repair, "repair", &[Key::char('R')], &[F::Repos, F::Repo, F::Packs, F::Health, F::Done], "repair", "Repair the damaged repo, or the marked ones, from intact copies of their records, after a confirmation")),
    change(row(Action::RepairAll, "repair-all", &[Key::char('A')], &[F::Health], "repair all", "Repair all damaged repos from intact copies of their records, after a confirmation")),
    change(row(Action::PruneNow, "prune-now", &[Key::char('p')], &[F::Prune], "prune", "Delete the packs that are due, after their number is typed")),
    row(Action::StatusNext, "status", &[Key::char('s')], &[F::Jobs], "status", "Show only the jobs with the next status"),
    row(Action::StatusNext, "class", &[Key::char('s')], &[F::Comparison], "class", "List only the records of the next class: only in A, only in B, in another encoding, in both"),
    row(Action::Mark, "mark-pack", &[Key::char(' ')], &[F::Packs], "mark", "Mark or unmark a pack to compare; of three, the first loses its mark"),
    row(Action::Compare, "compare", &[Key::char('d')], &[F::Packs], "compare", "Compare the two marked packs, or the marked one with the selected one"),
    row(Action::Mark, "show-column", &[Key::char(' ')], &[F::Columns], "show/hide", "Show or hide the column"),
    row(Action::ColumnUp, "column-up", &[Key::char('K')], &[F::Columns], "up", "Move the column to the left: up in the list"),
    row(Action::ColumnDown, "column-down", &[Key::char('J')], &[F::Columns], "down", "Move the column to the right: down in the list"),
    row(Action::Back, "leave-columns", &[ESC, Key::char('q')], &[F::Columns], "back", "Go back to the list"),
    row(Action::Mark, "mark", &[Key::char(' ')], &[F::Repos], "mark", "Mark or unmark the repo"),
    change(row(Action::Consolidate, "consolidate", &[Key::char('g')], &[F::Repos, F::Repo, F::Preview, F::Done, F::Record], "consolidate", "Plan a consolidation of the repo or the marked repos, and ask to confirm it")),
    row(Action::SortNext, "sort", &[Key::char('s')], &[F::Repos, F::Packs, F::Policies], "sort", "Sort by the next column"),
    row(Action::Filter, "filter", &[Key::char('/')], &[F::Repos], "filter", "Filter repos: words of the name, packs>10, size>1G, reclaim>30%, gc>7d, state:failed"),
    row(Action::Filter, "search", &[Key::char('/')], &[F::History, F::Policies], "search", "Search: consolidations by repo, outcome, key or error; policies by repo, due, own or default"),
    row(Action::Filter, "search-packs", &[Key::char('/')], &[F::Packs], "search", "Show only the packs with these digits in their keys, or in this state"),
    row(Action::Filter, "search-records", &[Key::char('/')], &[F::Records], "search", "Show only the records of a kind, with the beginning of an ID, or both"),
    row(Action::Filter, "search-help", &[Key::char('/')], &[F::Help], "search", "Show only the keys with these words: of a key, its place, its action or its sentence"),
    change(row(Action::NewToken, "new-token", &[Key::char('n')], &[F::Tokens], "new token", "Create a token, after a confirmation")),
    change(row(Action::Revoke, "revoke", &[Key::char('x')], &[F::Tokens], "revoke", "Revoke a token, after a confirmation")),
    row(Action::Filter, "search-files", &[Key::char('/')], &[F::Files], "search", "Show only the files with these words in their paths; /FOLDER lists a folder or a file"),
    row(Action::Entity, "record", &[Key::char('i')], &[F::Commits, F::Files], "record", "Show the record of the commit: its fields, its bytes, and where it is"),
    row(Action::Raw, "raw", &[Key::char('x')], &[F::Entity], "raw bytes", "Switch between the content and its bytes in hexadecimal"),
    row(Action::Commits, "commits", &[Key::char('b')], &[F::Repos, F::Repo], "commits", "Show the commits of the repo, or of the selected branch"),
    change(row(Action::DeleteBranch, "delete-branch", &[Key::char('x')], &[F::Repo], "delete branch", "Delete the selected branch, after a confirmation")),
    row(Action::Packs, "packs", &[Key::char('P')], &[F::Repos, F::Repo], "packs", "Show the packs of the repo"),
    row(Action::Jobs, "jobs", &[Key::char('2')], SCREENS, "jobs", "Show the jobs of the store"),
    row(Action::Health, "health", &[Key::char('3')], SCREENS, "health", "Show what needs attention in the store, and what to do about it"),
    row(Action::Preview, "preview", &[Key::char('p')], &[F::Repos, F::Repo, F::Done, F::Record], "preview", "Show the plan of a consolidation without running it"),
    row(Action::Verify, "verify", &[Key::char('v')], &[F::Repos, F::Repo, F::Preview, F::Done, F::Record], "verify", "Read and hash every pack of the repo or the marked repos"),
    row(Action::Back, "back", &[ESC, Key::char('q')], &[F::Repo, F::Packs, F::Records, F::Comparison, F::Commits, F::Files, F::Entity, F::Find, F::Tokens, F::NewToken, F::Workers, F::Server, F::Filters, F::Preview, F::Runs, F::Run, F::Done, F::History, F::Record, F::Jobs, F::Job, F::Health, F::Prune, F::Policies, F::Log, F::Help], "back", "Go back"),
    row(Action::CancelQueued, "cancel-queued", &[Key::char('X')], &[F::Runs], "cancel queue", "Cancel all queued runs"),
    row(Action::Runs, "runs", &[Key::char('w')], SCREENS, "runs", "Show queued, active and finished runs"),
    row(Action::History, "history", &[Key::char('h')], SCREENS, "history", "Show all finished consolidations"),
    row(Action::Prune, "prune", &[Key::char('4')], SCREENS, "prune", "Show which packs can be deleted, why, and when the rest can"),
    row(Action::Policies, "policies", &[Key::char('5')], SCREENS, "policies", "Show the policies, and which repos are due for consolidation"),
    row(Action::Find, "find", &[Key::char('6'), Key::char('f')], SCREENS, "find", "Find a record by its ID, or the beginning of it, in all repos"),
    row(Action::Tokens, "tokens", &[Key::char('7')], SCREENS, "tokens", "Show the access tokens of the store"),
    row(Action::Workers, "workers", &[Key::char('8')], SCREENS, "workers", "Show which workers have jobs, since when and until when"),
    row(Action::Server, "server", &[Key::char('9')], SCREENS, "server", "Show the load of the server of a remote store"),
    row(Action::Back, "clear", &[ESC], &[F::Repos], "clear", "Unmark all repos, then clear the filter"),
    row(Action::Quit, "out", &[Key::char('q')], &[F::Repos], "quit", "Quit the console"),
    row(Action::Help, "help", &[Key::char('?')], SCREENS, "help", "Show this help"),
    row(Action::Palette, "palette", &[Key::char(':')], SCREENS, "commands", "Find a command by its name"),
    row(Action::Copy, "copy", &[Key::char('c')], COPIED, "copy", "Copy the selected name, key, ID or command"),
    row(Action::Refresh, "refresh", &[Key::char('r')], &[F::Repos, F::Repo, F::Packs, F::Records, F::Comparison, F::Commits, F::Files, F::Entity, F::Find, F::Tokens, F::Workers, F::Server, F::History, F::Health, F::Prune, F::Policies], "refresh", "Reload from the store"),
    row(Action::Refresh, "reload", &[Key::char('R')], &[F::Jobs, F::Job], "reload", "Reload from the store"),
    row(Action::Export, "export", &[Key::ctrl('s')], LISTS, "export", "Write the displayed list to a new file in the current folder, as CSV or JSON"),
    row(Action::Repos, "repos", &[Key::char('1')], SCREENS, "repos", "Show the list of repos"),
    row(Action::Log, "log", &[Key::char('l')], SCREENS, "log", "Show the log"),
    change(row(Action::EditPolicy, "repo-policy", &[Key::char('e')], &[F::Repos, F::Repo], "policy", "Edit the policy of the repo, in a form")),
    change(row(Action::RepairAll, "repair-all", &[Key::char('A')], ELSEWHERE, "", "Repair all damaged repos from intact copies of their records, after a confirmation")),
    row(Action::Filters, "filters", &[Key::char('F')], &[F::Repos], "", "Choose one of the filters in the config"),
    row(Action::Columns, "columns", &[Key::char('C')], &[F::Repos, F::Packs, F::Jobs], "", "Choose the columns of the list"),
    row(Action::MarkAll, "mark-all", &[Key::char('a')], &[F::Repos], "", "Mark or unmark all displayed repos"),
    row(Action::SortPrevious, "sort-back", &[Key::char('S')], &[F::Repos, F::Packs, F::Policies], "", "Sort by the previous column"),
    row(Action::SortTurn, "sort-turn", &[Key::char('o')], &[F::Repos], "", "Reverse the order"),
    row(Action::StatusPrevious, "class-back", &[Key::char('S')], &[F::Comparison], "", "List only the records of the previous class"),
    row(Action::StatusPrevious, "status-back", &[Key::char('S')], &[F::Jobs], "", "Show only the jobs with the previous status"),
    row(Action::Erase, "erase", &[Key::plain(KeyCode::Backspace)], TEXT, "", "Delete the last character"),
    row(Action::EraseWord, "erase-word", &[Key::ctrl('w')], TEXT, "", "Delete the last word"),
    row(Action::EraseAll, "erase-all", &[Key::ctrl('u')], TEXT, "", "Clear the input"),
    row(Action::Up, "up", &[UP], SCROLLED, "", "Move up"),
    row(Action::Down, "down", &[DOWN], SCROLLED, "", "Move down"),
    row(Action::Up, "up-letter", &[Key::char('k')], LETTERS, "", "Move up"),
    row(Action::Down, "down-letter", &[Key::char('j')], LETTERS, "", "Move down"),
    row(Action::Down, "next", &[TAB], &[F::Palette], "", "Move down"),
    row(Action::Up, "previous", &[BACKTAB], &[F::Palette], "", "Move up"),
    row(Action::PageUp, "page-up", &[Key::plain(KeyCode::PageUp)], SCROLLED, "", "Move one page up"),
    row(Action::PageDown, "page-down", &[Key::plain(KeyCode::PageDown)], SCROLLED, "", "Move one page down"),
    row(Action::PageUp, "page-up-letter", &[Key::ctrl('u')], LETTERS, "", "Move one page up"),
    row(Action::PageDown, "page-down-letter", &[Key::ctrl('d')], LETTERS, "", "Move one page down"),
    row(Action::First, "first-letter", &[Key::char('g')], &[F::Packs, F::Records, F::Comparison, F::Commits, F::Files, F::Entity, F::Find, F::Confirm, F::Runs, F::History, F::Jobs, F::Job, F::Health, F::Prune, F::Policies, F::Tokens, F::Workers, F::Server, F::Filters, F::Columns, F::Log, F::Help], "", "Move to the top"),
    row(Action::Last, "last-letter", &[Key::char('G')], LETTERS, "", "Move to the end"),
    row(Action::First, "first", &[Key::plain(KeyCode::Home)], SCROLLED, "", "Move to the top"),
    row(Action::Last, "last", &[Key::plain(KeyCode::End)], SCROLLED, "", "Move to the end"),
    row(Action::Suspend, "suspend", &[Key::ctrl('z')], &Focus::ALL, "", "Suspend the console; `fg` resumes it"),
    row(Action::Quit, "quit", &[Key::ctrl('c')], &Focus::ALL, "", "Quit the console, from anywhere"),
];
