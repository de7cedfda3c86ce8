//! The form of a policy: a line for each rule, with its value now and the one to set.

use packhouse_host::{Policy, PolicyReport, RepoName};

use super::cursor::Cursor;
use super::input::Input;
use crate::text::{parse_duration, span};

/// A rule of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::console) enum Rule {
    MaxPacks,
    Growth,
    MaxAge,
    /// Only of the default policy.
    ScrubAge,
}

impl Rule {
    const ALL: [Rule; 4] = [Rule::MaxPacks, Rule::Growth, Rule::MaxAge, Rule::ScrubAge];

    /// Its name: that of the option of `packhouse policy set`.
    pub(in crate::console) const fn name(self) -> &'static str {
        match self {
            Rule::MaxPacks => "max packs",
            Rule::Growth => "growth",
            Rule::MaxAge => "max age",
            Rule::ScrubAge => "scrub age",
        }
    }

    /// What it does, and which values it takes.
    pub(in crate::console) const fn help(self) -> &'static str {
        match self {
            Rule::MaxPacks => {
                "Consolidate a repo that has more packs than this: 50. Empty: however many it has."
            }
            Rule::Growth => {
                "Consolidate when the bytes pushed since the last consolidation exceed so many times \
                 the consolidated bytes: 1, 0.5. Empty: however many were pushed."
            }
            Rule::MaxAge => {
                "Consolidate when a pack has waited this long: 1d, 12h, 30m. Empty: however long it waits."
            }
            Rule::ScrubAge => {
                "Read and check every pack of the store within this time: 30d. 0: never. \
                 Empty: within 30 days."
            }
        }
    }

    /// What an empty value means.
    pub(in crate::console) fn absent(self) -> String {
        match self {
            Rule::ScrubAge => span(Policy::SCRUB_AGE_SECONDS),
            Rule::MaxPacks | Rule::Growth | Rule::MaxAge => "none".to_owned(),
        }
    }

    /// The value in a policy, as it is typed; empty: no such rule.
    fn text(self, policy: &Policy) -> String {
        let text = match self {
            Rule::MaxPacks => policy.max_packs.map(|packs| packs.to_string()),
            Rule::Growth => policy.growth.map(|growth| growth.to_string()),
            Rule::MaxAge => policy.max_age_seconds.map(span),
            Rule::ScrubAge => policy.scrub_age_seconds.map(span),
        };
        text.unwrap_or_default()
    }

    /// Reads a value into a policy.
    fn read(self, text: &str, policy: &mut Policy) -> Result<(), String> {
        if text.is_empty() {
            return Ok(());
        }
        let refused = |expected: &str| format!("{}: {text} is not {expected}", self.name());
        let seconds = || {
            // Not seconds: a scrub age of 30 seconds would read the whole store twice a minute.
            if text != "0" && text.parse::<f64>().is_ok() {
                return Err(format!(
                    "{}: {text} has no unit: {text}d, {text}h or {text}m?",
                    self.name()
                ));
            }
            let age = parse_duration(text).map(|age| age.as_secs());
            age.map_err(|_| refused("a time like 30d, 12h or 30m"))
        };
        match self {
            Rule::MaxPacks => {
                let packs = text.parse().ok().filter(|packs| *packs > 0);
                policy.max_packs = Some(packs.ok_or_else(|| refused("a number of packs"))?);
            }
            Rule::Growth => {
                let growth =
                    text.parse().ok().filter(|growth: &f64| growth.is_finite() && *growth > 0.0);
                policy.growth = Some(growth.ok_or_else(|| refused("a number above 0"))?);
            }
            Rule::MaxAge => policy.max_age_seconds = Some(seconds()?),
            Rule::ScrubAge => policy.scrub_age_seconds = Some(seconds()?),
        }
        Ok(())
    }
}

/// A policy to set; none: the inherited one.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::console) struct PolicyChange {
    /// How it is now, and of which repo; none: the default policy.
    pub(in crate::console) now: PolicyReport,
    pub(in crate::console) to: Option<Policy>,
}

/// A line of the form.
#[derive(Clone, Debug)]
pub(in crate::console) struct Field {
    pub(in crate::console) rule: Rule,
    pub(in crate::console) input: Input,
}

/// [`crate::console::view`] draws it.
#[derive(Debug)]
pub(in crate::console) struct PolicyForm {
    /// How the policy was when the form was opened.
    pub(in crate::console) now: PolicyReport,
    pub(in crate::console) fields: Vec<Field>,
    pub(in crate::console) cursor: Cursor,
    /// Why the last answer was refused.
    pub(in crate::console) refusal: Option<String>,
}

impl PolicyForm {
    /// A form with the present values.
    pub(in crate::console) fn new(now: PolicyReport) -> PolicyForm {
        let is_default = now.repo.is_none();
        let rules = Rule::ALL.into_iter().filter(|rule| is_default || *rule != Rule::ScrubAge);
        let fields = rules.map(|rule| {
            let mut input = Input::default();
            input.paste(&rule.text(&now.policy));
            Field { rule, input }
        });
        let fields = fields.collect();
        PolicyForm { now, fields, cursor: Cursor::default(), refusal: None }
    }

    /// Of which repo; none: the default policy.
    pub(in crate::console) fn repo(&self) -> Option<&RepoName> {
        self.now.repo.as_ref()
    }

    /// The value of a rule now.
    pub(in crate::console) fn present(&self, rule: Rule) -> String {
        rule.text(&self.now.policy)
    }

    /// The selected line.
    pub(in crate::console) fn current(&self) -> Option<&Field> {
        self.fields.get(self.cursor.at(self.fields.len()))
    }

    /// Changes the selected line.
    pub(in crate::console) fn edit(&mut self, change: impl FnOnce(&mut Input)) {
        let at = self.cursor.at(self.fields.len());
        if let Some(field) = self.fields.get_mut(at) {
            change(&mut field.input);
            self.refusal = None;
        }
    }

    /// The policy of the form.
    ///
    /// # Errors
    /// What is wrong with the first value that is no value of its rule.
    pub(in crate::console) fn policy(&self) -> Result<Policy, String> {
        let mut policy = Policy::OFF;
        for field in &self.fields {
            field.rule.read(field.input.text().trim(), &mut policy)?;
        }
        Ok(policy)
    }

    /// What setting the policy of the form would change.
    ///
    /// # Errors
    /// A value that is none, or that nothing would change.
    pub(in crate::console) fn change(&self) -> Result<PolicyChange, String> {
        let policy = self.policy()?;
        match self.now.set && policy == self.now.policy {
            true => Err("nothing has changed".to_owned()),
            false => Ok(PolicyChange { now: self.now.clone(), to: Some(policy) }),
        }
    }

    /// What resetting the policy would change.
    ///
    /// # Errors
    /// That it is not set.
    pub(in crate::console) fn reset(&self) -> Result<PolicyChange, String> {
        match (self.now.set, self.repo()) {
            (true, _) => Ok(PolicyChange { now: self.now.clone(), to: None }),
            (false, Some(_)) => Err("it is the default policy already".to_owned()),
            (false, None) => Err("it is the built-in policy already".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::keys::Action;

    fn form(repo: Option<&str>, set: bool) -> PolicyForm {
        let policy = Policy { max_age_seconds: Some(36 * 3600), ..Policy::default() };
        let repo = repo.map(|repo| repo.parse().unwrap());
        PolicyForm::new(PolicyReport { repo, set, policy })
    }

    fn type_into(form: &mut PolicyForm, line: usize, text: &str) {
        form.cursor.set(line);
        form.edit(|input| _ = input.act(Action::EraseAll));
        form.edit(|input| input.paste(text));
    }

    #[test]
    fn a_form_begins_with_the_present_values_and_reads_them_again() {
        let form = form(None, true);
        let texts: Vec<&str> = form.fields.iter().map(|field| field.input.text()).collect();
        assert_eq!(texts, ["50", "1", "36h", ""]);
        assert_eq!(form.policy().unwrap(), form.now.policy);
        assert_eq!(form.change().unwrap_err(), "nothing has changed");
    }

    #[test]
    fn only_the_default_policy_says_how_often_packs_are_read() {
        assert_eq!(form(Some("a/b"), true).fields.len(), 3);
        let mut form = form(None, false);
        type_into(&mut form, 3, "0");
        assert_eq!(form.policy().unwrap().scrub_age_seconds, Some(0));
    }

    #[test]
    fn an_empty_line_is_no_rule_and_a_bad_value_is_named() {
        let mut form = form(Some("a/b"), false);
        // As it is, it would become the repo's own.
        assert_eq!(form.change().unwrap().to, Some(form.now.policy));
        (0..3).for_each(|line| type_into(&mut form, line, ""));
        assert_eq!(form.policy().unwrap(), Policy::OFF);
        for (line, text, expected) in [
            (0, "0", "max packs: 0 is not a number of packs"),
            (0, "many", "max packs: many is not"),
            (1, "-1", "growth: -1 is not a number above 0"),
            (1, "inf", "growth: inf is not"),
            (2, "soon", "max age: soon is not a time like"),
            (2, "12", "max age: 12 has no unit: 12d, 12h or 12m?"),
        ] {
            type_into(&mut form, line, text);
            let refusal = form.change().unwrap_err();
            assert!(refusal.contains(expected), "{refusal}");
            type_into(&mut form, line, "");
        }
    }

    #[test]
    fn only_a_policy_that_is_set_can_be_reset() {
        assert_eq!(form(Some("a/b"), true).reset().unwrap().to, None);
        assert!(form(Some("a/b"), false).reset().unwrap_err().contains("default policy already"));
        assert!(form(None, false).reset().unwrap_err().contains("built-in"));
    }
}
