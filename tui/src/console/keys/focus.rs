//! The parts of the console that receive keys.

/// The part of the console that receives keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::console) enum Focus {
    Repos,
    /// The input of the filter.
    Filter,
    Repo,
    /// The packs of a repo.
    Packs,
    /// The records of a pack.
    Records,
    /// Two packs compared.
    Comparison,
    /// The commits of a repo, the files of a commit, and a record.
    Commits,
    Files,
    Entity,
    /// The records with an ID.
    Find,
    /// A question in the footer.
    Prompt,
    /// A plan that is only displayed.
    Preview,
    /// The confirm dialog.
    Confirm,
    /// The confirm dialog that asks for a number.
    Typing,
    Runs,
    /// A queued or active run.
    Run,
    /// The result of a run.
    Done,
    History,
    /// The input of the history search.
    Search,
    /// One entry of the history.
    Record,
    /// The jobs of the store, and one of them.
    Jobs,
    Job,
    /// What needs attention in the store.
    Health,
    /// The packs that no repo needs.
    Prune,
    /// The policies, and the form of one.
    Policies,
    PolicyForm,
    /// The access tokens, and one that was just created.
    Tokens,
    NewToken,
    /// Who works on jobs.
    Workers,
    /// The server of a remote store.
    Server,
    /// The filters of the config.
    Filters,
    /// The columns of a table.
    Columns,
    Log,
    Palette,
    Leave,
    Help,
}

impl Focus {
    /// All of them, in the order of the help.
    pub(in crate::console) const ALL: [Focus; 36] = [
        Focus::Repos,
        Focus::Filter,
        Focus::Repo,
        Focus::Packs,
        Focus::Records,
        Focus::Comparison,
        Focus::Commits,
        Focus::Files,
        Focus::Entity,
        Focus::Find,
        Focus::Prompt,
        Focus::Preview,
        Focus::Confirm,
        Focus::Typing,
        Focus::Runs,
        Focus::Run,
        Focus::Done,
        Focus::History,
        Focus::Search,
        Focus::Record,
        Focus::Jobs,
        Focus::Job,
        Focus::Health,
        Focus::Prune,
        Focus::Policies,
        Focus::PolicyForm,
        Focus::Tokens,
        Focus::NewToken,
        Focus::Workers,
        Focus::Server,
        Focus::Filters,
        Focus::Columns,
        Focus::Log,
        Focus::Palette,
        Focus::Leave,
        Focus::Help,
    ];

    /// The heading in the help.
    pub(in crate::console) const fn title(self) -> &'static str {
        match self {
            Focus::Repos => "Repos",
            Focus::Filter => "Filter input",
            Focus::Repo => "Repo",
            Focus::Packs => "Packs",
            Focus::Records => "Records",
            Focus::Comparison => "Comparison",
            Focus::Commits => "Commits",
            Focus::Files => "Files",
            Focus::Entity => "Record",
            Focus::Find => "Find",
            Focus::Prompt => "Question",
            Focus::Preview => "Plan preview",
            Focus::Confirm => "Confirm dialog",
            Focus::Typing => "Confirm dialog with a number",
            Focus::Runs => "Runs",
            Focus::Run => "Active run",
            Focus::Done => "Result",
            Focus::History => "History",
            Focus::Search => "Search input",
            Focus::Record => "History entry",
            Focus::Jobs => "Jobs",
            Focus::Job => "Job",
            Focus::Health => "Health",
            Focus::Prune => "Prune",
            Focus::Policies => "Policies",
            Focus::PolicyForm => "Policy form",
            Focus::Tokens => "Tokens",
            Focus::NewToken => "New token",
            Focus::Workers => "Workers",
            Focus::Server => "Server",
            Focus::Filters => "Filters",
            Focus::Columns => "Columns",
            Focus::Log => "Log",
            Focus::Palette => "Commands",
            Focus::Leave => "Quit dialog",
            Focus::Help => "Help",
        }
    }

    /// The name in the config.
    pub(in crate::console) fn name(self) -> String {
        self.title().to_lowercase().replace(' ', "-")
    }

    /// Whether characters are text here.
    pub(in crate::console) const fn takes_text(self) -> bool {
        matches!(
            self,
            Focus::Filter
                | Focus::Typing
                | Focus::Search
                | Focus::Prompt
                | Focus::Palette
                | Focus::PolicyForm
        )
    }
}
