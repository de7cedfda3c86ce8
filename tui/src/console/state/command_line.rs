//! A command of the config, ready to run.

/// A command to run, with the values of its variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::console) struct CommandLine {
    pub(in crate::console) name: String,
    pub(in crate::console) program: String,
    pub(in crate::console) arguments: Vec<String>,
    /// Whether its output stays until Enter is pressed, also if it succeeds.
    pub(in crate::console) wait: bool,
    /// What is asked before it runs.
    pub(in crate::console) question: Option<String>,
}
