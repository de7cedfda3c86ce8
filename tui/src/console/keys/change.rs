//! What a config changes about the keys.

/// Changed keys of an action, as the config has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::console) struct KeyChange {
    /// Name of the action, not checked yet.
    pub(in crate::console) action: String,
    /// Names of the keys.
    pub(in crate::console) keys: Vec<String>,
    /// Position for errors: `FILE:LINE`.
    pub(in crate::console) position: String,
}

/// Former names of actions, which configs may still use, and their names.
const FORMER: [(&str, &str); 6] = [
    ("stop", "cancel-run"),
    ("stop-all", "cancel-all"),
    ("cancel-waiting", "cancel-queued"),
    ("wait", "quit-when-done"),
    ("leave-now", "quit-now"),
    ("path", "search-files"),
];

impl KeyChange {
    /// The name of the action in the table.
    pub(super) fn row_name(&self) -> &str {
        let former = FORMER.iter().find(|(former, _)| *former == self.action);
        former.map_or(self.action.as_str(), |(_, name)| name)
    }
}
