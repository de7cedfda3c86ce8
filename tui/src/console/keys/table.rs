//! Every action, where it works, and the keys that it has unless the config gives it others.

use crossterm::event::KeyCode;

use super::key::Key;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::console) enum Action {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    /// Look closer at what is pointed to.
    Open,
    Consolidate,
    /// A plan that is only shown.
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
    Log,
    Help,
    Palette,
    /// To where one came from; in the list of repos: all shown, nothing marked.
    Back,
    /// Out, from anywhere.
    Quit,
    Suspend,
    /// Yes to the confirm dialog.
    Confirm,
    /// The default of every question: nothing happens.
    Decline,
    /// Ask running work to stop.
    Stop,
    /// Take back all work that waits.
    CancelQueued,
    /// Leave when the work has ended.
    Wait,
    /// Leave at once, and let the work be.
    LeaveNow,
    /// Done with typing.
    Accept,
    /// Drop what was typed.
    Cancel,
    Erase,
    EraseWord,
    EraseAll,
    /// A character of a text; not in the table.
    Type(char),
}

/// Where the operator is, as far as keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::console) enum Place {
    Repos,
    /// Typing the filter of the repos.
    Filter,
    Repo,
    /// A plan that is only shown.
    Preview,
    /// A plan, and the question whether to run it.
    Confirm,
    /// The same, where the answer has to be typed.
    Typing,
    Runs,
    /// Work that goes on.
    Run,
    /// What work ended with.
    Done,
    History,
    /// Typing what to look for in the history.
    Search,
    /// One consolidation of the history.
    Record,
    Log,
    Palette,
    Leave,
    Help,
}

impl Place {
    /// All of them, in the order of the help.
    pub(in crate::console) const ALL: [Place; 16] = [
        Place::Repos,
        Place::Filter,
        Place::Repo,
        Place::Preview,
        Place::Confirm,
        Place::Typing,
        Place::Runs,
        Place::Run,
        Place::Done,
        Place::History,
        Place::Search,
        Place::Record,
        Place::Log,
        Place::Palette,
        Place::Leave,
        Place::Help,
    ];

    /// As a heading of the help.
    pub(in crate::console) const fn title(self) -> &'static str {
        match self {
            Place::Repos => "Repos",
            Place::Filter => "Typing a filter",
            Place::Repo => "A repo",
            Place::Preview => "A plan, only shown",
            Place::Confirm => "Asked whether to run a plan",
            Place::Typing => "Asked to type how many",
            Place::Runs => "Runs",
            Place::Run => "Work going on",
            Place::Done => "A result",
            Place::History => "History",
            Place::Search => "Typing what to look for",
            Place::Record => "One consolidation",
            Place::Log => "Log",
            Place::Palette => "Palette",
            Place::Leave => "Asked how to leave",
            Place::Help => "Help",
        }
    }

    /// Whether keys that type are text here.
    pub(in crate::console) const fn takes_text(self) -> bool {
        matches!(self, Place::Filter | Place::Typing | Place::Search | Place::Palette)
    }
}

/// A line of the table.
#[derive(Debug)]
pub(in crate::console) struct Row {
    pub(in crate::console) action: Action,
    /// What the config and the palette call it.
    pub(in crate::console) name: &'static str,
    pub(in crate::console) keys: &'static [Key],
    /// Where it works.
    pub(in crate::console) places: &'static [Place],
    /// A word for the footer; empty: not shown there.
    pub(in crate::console) hint: &'static str,
    /// A sentence for the help.
    pub(in crate::console) help: &'static str,
    /// Whether it can lead to a change of the store: gone when the console is read-only.
    pub(in crate::console) changes: bool,
}

const fn row(
    action: Action,
    name: &'static str,
    keys: &'static [Key],
    places: &'static [Place],
    hint: &'static str,
    help: &'static str,
) -> Row {
    Row { action, name, keys, places, hint, help, changes: false }
}

const fn change(row: Row) -> Row {
    Row { changes: true, ..row }
}

const UP: Key = Key::plain(KeyCode::Up);
const DOWN: Key = Key::plain(KeyCode::Down);
const ENTER: Key = Key::plain(KeyCode::Enter);
const ESC: Key = Key::plain(KeyCode::Esc);
const TAB: Key = Key::plain(KeyCode::Tab);

use Place as P;

/// Screens that scroll, and take letters as commands.
const LETTERS: &[Place] =
    &[P::Repos, P::Repo, P::Preview, P::Runs, P::Done, P::History, P::Record, P::Log, P::Help];
/// All that scrolls.
const SCROLLED: &[Place] = &[
    P::Repos,
    P::Filter,
    P::Repo,
    P::Preview,
    P::Confirm,
    P::Typing,
    P::Runs,
    P::Done,
    P::History,
    P::Search,
    P::Record,
    P::Log,
    P::Palette,
    P::Help,
];
/// Where one repo is looked at or pointed to.
const ABOUT_REPO: &[Place] = &[P::Repos, P::Repo, P::Runs, P::Done, P::History, P::Record];
/// From where the other screens can be reached.
const SCREENS: &[Place] =
    &[P::Repos, P::Repo, P::Preview, P::Runs, P::Run, P::Done, P::History, P::Record, P::Log];
const TEXT: &[Place] = &[P::Filter, P::Search, P::Palette, P::Typing];

/// Every action there is. The footer shows hints in this order, as many as fit, so what matters
/// most comes first.
#[rustfmt::skip]
pub(in crate::console) const TABLE: &[Row] = &[
    change(row(Action::Confirm, "confirm", &[Key::char('y')], &[P::Confirm], "run this plan", "run the plan that is shown")),
    row(Action::Decline, "decline", &[ESC, ENTER, Key::char('n'), Key::char('q')], &[P::Confirm], "cancel", "close the question; nothing happens"),
    row(Action::Wait, "wait", &[Key::char('w')], &[P::Leave], "wait, then leave", "leave when the work has ended"),
    row(Action::Stop, "stop-all", &[Key::char('x')], &[P::Leave], "cancel all work, then leave", "stop all work at its next safe point, and leave"),
    row(Action::Stop, "stop", &[Key::char('x')], &[P::Run, P::Runs], "cancel the work", "stop the work at its next safe point"),
    row(Action::LeaveNow, "leave-now", &[Key::char('l')], &[P::Leave], "leave now", "leave at once, while the line to a store that is elsewhere is down; the work goes on there"),
    row(Action::Decline, "stay", &[ESC, ENTER, Key::char('n'), Key::char('q')], &[P::Leave], "stay", "stay in the console"),
    row(Action::Accept, "accept", &[ENTER], &[P::Filter, P::Search], "keep", "go on with what was typed"),
    row(Action::Accept, "accept-count", &[ENTER], &[P::Typing], "run if it is right", "run the plan if what was typed is what was asked for"),
    row(Action::Accept, "choose", &[ENTER], &[P::Palette], "do it", "do what is pointed to"),
    row(Action::Cancel, "cancel", &[ESC], TEXT, "cancel", "drop what was typed, and close"),
    row(Action::Open, "open", &[ENTER], &[P::Repos, P::Runs, P::History], "open", "look closer at what is pointed to"),
    row(Action::Mark, "mark", &[Key::char(' ')], &[P::Repos], "mark", "mark the repo, or take the mark away"),
    change(row(Action::Consolidate, "consolidate", &[Key::char('g')], &[P::Repos, P::Repo, P::Preview, P::Done, P::Record], "consolidate", "plan to merge the packs of the repo, or of all that are marked, and ask")),
    row(Action::SortNext, "sort", &[Key::char('s')], &[P::Repos], "sort", "sort by the next column"),
    row(Action::Filter, "filter", &[Key::char('/')], &[P::Repos], "filter", "show only some repos: words of their name, packs>10, size>1G, reclaim>30%, gc>7d, state:failed"),
    row(Action::Filter, "search", &[Key::char('/')], &[P::History], "search", "show only consolidations with a text in their repo, outcome, key or error"),
    row(Action::Preview, "preview", &[Key::char('p')], &[P::Repos, P::Repo, P::Done, P::Record], "preview", "show what a consolidation would do, and nothing more"),
    row(Action::Verify, "verify", &[Key::char('v')], &[P::Repos, P::Repo, P::Preview, P::Done, P::Record], "verify", "read and hash every pack of the repo, or of all that are marked"),
    row(Action::Back, "back", &[ESC, Key::char('q')], &[P::Repo, P::Preview, P::Runs, P::Run, P::Done, P::History, P::Record, P::Log, P::Help], "back", "go back"),
    row(Action::CancelQueued, "cancel-waiting", &[Key::char('X')], &[P::Runs], "cancel the queue", "take back all work that waits for its turn"),
    row(Action::Runs, "runs", &[Key::char('w')], SCREENS, "runs", "show the work that waits, goes on and has ended"),
    row(Action::History, "history", &[Key::char('h')], SCREENS, "history", "show all consolidations that ended"),
    row(Action::Back, "clear", &[ESC], &[P::Repos], "clear", "take the marks away, then the filter"),
    row(Action::Quit, "out", &[Key::char('q')], &[P::Repos], "quit", "leave the console"),
    row(Action::Help, "help", &[Key::char('?')], SCREENS, "help", "show this help"),
    row(Action::Palette, "palette", &[Key::char(':')], SCREENS, "do", "find an action by its name"),
    row(Action::Copy, "copy", &[Key::char('c')], ABOUT_REPO, "copy", "copy the name, key or id that is pointed to"),
    row(Action::Refresh, "refresh", &[Key::char('r')], &[P::Repos, P::Repo, P::History], "refresh", "read the store again"),
    row(Action::Log, "log", &[Key::char('l')], SCREENS, "log", "show what happened, with times"),
    row(Action::MarkAll, "mark-all", &[Key::char('a')], &[P::Repos], "", "mark all repos that are shown, or take all marks away"),
    row(Action::SortPrevious, "sort-back", &[Key::char('S')], &[P::Repos], "", "sort by the column before"),
    row(Action::SortTurn, "sort-turn", &[Key::char('o')], &[P::Repos], "", "turn the order around"),
    row(Action::Erase, "erase", &[Key::plain(KeyCode::Backspace)], TEXT, "", "take the last character back"),
    row(Action::EraseWord, "erase-word", &[Key::ctrl('w')], TEXT, "", "take the last word back"),
    row(Action::EraseAll, "erase-all", &[Key::ctrl('u')], TEXT, "", "take all back"),
    row(Action::Up, "up", &[UP], SCROLLED, "", "up"),
    row(Action::Down, "down", &[DOWN], SCROLLED, "", "down"),
    row(Action::Up, "up-letter", &[Key::char('k')], LETTERS, "", "up"),
    row(Action::Down, "down-letter", &[Key::char('j')], LETTERS, "", "down"),
    row(Action::Down, "next", &[TAB], &[P::Palette], "", "down"),
    row(Action::PageUp, "page-up", &[Key::plain(KeyCode::PageUp)], SCROLLED, "", "a page up"),
    row(Action::PageDown, "page-down", &[Key::plain(KeyCode::PageDown)], SCROLLED, "", "a page down"),
    row(Action::First, "first", &[Key::plain(KeyCode::Home)], SCROLLED, "", "to the top"),
    row(Action::Last, "last", &[Key::plain(KeyCode::End)], SCROLLED, "", "to the end"),
    row(Action::Suspend, "suspend", &[Key::ctrl('z')], &Place::ALL, "", "suspend the console; `fg` brings it back"),
    row(Action::Quit, "quit", &[Key::ctrl('c')], &Place::ALL, "", "leave the console, from anywhere"),
];
