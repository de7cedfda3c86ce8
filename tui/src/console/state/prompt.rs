//! A question in the footer, answered with a line of text.

use super::input::Input;

/// What the answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::console) enum Wanted {
    /// The ID of a record, or its beginning.
    Id,
    /// Words of paths of the displayed commit; after a `/`, a folder or a file.
    Path,
    /// Words to search packs for.
    Packs,
    /// A kind or an ID to search the records of a pack for.
    Records,
    /// Words to search the help for.
    Help,
    /// What a new token allows.
    Token,
    /// The file for the lines of a list.
    File,
}

impl Wanted {
    /// The label before the input.
    pub(in crate::console) const fn label(self) -> &'static str {
        match self {
            Wanted::Id => "find ID: ",
            Wanted::Path => "search, or /FOLDER: ",
            Wanted::Packs | Wanted::Records | Wanted::Help => "search: ",
            Wanted::Token => "read|push|admin REPOS [90d] [NAME]: ",
            Wanted::File => "export to (.csv, .json): ",
        }
    }
}

/// The open question.
#[derive(Debug)]
pub(in crate::console) struct Prompt {
    pub(in crate::console) wanted: Wanted,
    pub(in crate::console) input: Input,
    /// What is wrong with the last answer.
    pub(in crate::console) refusal: Option<String>,
}

impl Prompt {
    /// A question that is not answered yet, or was answered with `text` before.
    pub(in crate::console) fn new(wanted: Wanted, text: &str) -> Prompt {
        let mut input = Input::default();
        input.paste(text);
        Prompt { wanted, input, refusal: None }
    }
}
