//! Draws the console: `view` draws a model and changes nothing.
//!
//! ```text
//!  packhouse › gabriel/notes       ✗ 1 damaged · read-only · 1 running, 3 queued · /srv/store    header
//!  Disconnected 14 s · data 20 s old · retrying                                                  only while it is down
//!                                                                                                body: a file per screen
//!  g consolidate  p preview  v verify  Esc back                                                  footer: key hints
//! ```
//!
//! Screens drop columns and hints when there is little room. All untrusted text goes through
//! [`crate::text::escaped`]. Colours only repeat what the text says. For ASCII terminals, [`ascii`]
//! replaces characters in a last pass.

mod alerts;
mod ascii;
mod bars;
mod buttons;
mod chart;
mod choose_columns;
mod columns;
mod commits;
mod comparison;
mod confirm;
mod connection;
mod details;
mod dialog;
mod entity;
mod files;
mod filters;
mod find;
mod health;
mod help;
mod history;
mod job;
mod jobs;
mod leave;
mod log;
mod missing_worker;
mod pack_list;
mod packs;
mod palette;
mod parts;
mod policies;
mod policy_form;
mod prune;
mod record;
mod records;
mod repo;
mod repos;
mod result;
mod run;
mod runs;
mod server;
mod table;
mod tokens;
mod workers;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};

use super::state::{Extent, Model, Screen};
use parts::{plain, scrolled};

/// Draws everything. Returns the scroll area.
pub(super) fn view(model: &Model, frame: &mut Frame) -> Extent {
    let rows = [
        Constraint::Length(1),
        Constraint::Length(connection::rows(model)),
        Constraint::Fill(1),
        Constraint::Length(1 + bars::error(model, frame.area()).len() as u16),
    ];
    let [header, down, body, footer] = Layout::vertical(rows).areas(frame.area());
    let mut extent = match (&model.dialog, model.screens.last()) {
        (Some(dialog), _) => confirm::draw(model, dialog, frame, body),
        (None, None) => repos::draw(model, frame, body),
        (None, Some(Screen::Repo(repo))) => repo::draw(model, repo, frame, body),
        (None, Some(Screen::Packs(packs))) => pack_list::draw(model, packs, frame, body),
        (None, Some(Screen::Records(it))) => records::draw(model, it, frame, body),
        (None, Some(Screen::Comparison(it))) => comparison::draw(model, it, frame, body),
        (None, Some(Screen::Tokens)) => tokens::draw(model, frame, body),
        (None, Some(Screen::NewToken(token))) => tokens::created(model, token, frame, body),
        (None, Some(Screen::Workers)) => workers::draw(model, frame, body),
        (None, Some(Screen::Filters)) => filters::draw(model, frame, body),
        (None, Some(Screen::Columns(table, cursor))) => {
            choose_columns::draw(model, *table, *cursor, frame, body)
        }
        (None, Some(Screen::Server)) => server::draw(model, frame, body),
        (None, Some(Screen::Commits(commits))) => commits::draw(model, commits, frame, body),
        (None, Some(Screen::Files(files))) => files::draw(model, files, frame, body),
        (None, Some(Screen::Entity(entity))) => entity::draw(model, entity, frame, body),
        (None, Some(Screen::Find(find))) => find::draw(model, find, frame, body),
        (None, Some(Screen::Runs)) => runs::draw(model, frame, body),
        (None, Some(Screen::Run(ticket))) => match model.runs.get(*ticket) {
            Some(run) => run::draw(model, run, frame, body),
            None => scrolled(
                frame,
                body,
                plain(vec!["This run is no longer in the list.".to_owned()]),
                0,
            ),
        },
        (None, Some(Screen::History)) => history::draw(model, frame, body),
        (None, Some(Screen::Record(entry, top))) => record::draw(model, entry, *top, frame, body),
        (None, Some(Screen::Jobs)) => jobs::draw(model, frame, body),
        (None, Some(Screen::Job(job))) => job::draw(model, job, frame, body),
        (None, Some(Screen::Health)) => health::draw(model, frame, body),
        (None, Some(Screen::Prune)) => prune::draw(model, frame, body),
        (None, Some(Screen::Policies)) => policies::draw(model, frame, body),
        (None, Some(Screen::PolicyForm(form))) => policy_form::draw(model, form, frame, body),
        (None, Some(Screen::Log)) => log::draw(model, frame, body),
    };
    if let Some(leave) = model.leave {
        extent.buttons = leave::draw(model, leave, frame, body);
    }
    if let Some(palette) = &model.palette {
        extent = palette::draw(model, palette, frame, body);
    }
    if let Some(help) = &model.help {
        extent = help::draw(model, help, frame, body);
    }
    bars::header(model, frame, header);
    connection::draw(model, frame, down);
    bars::footer(model, frame, footer);
    if model.styles.ascii {
        ascii::only(frame.buffer_mut());
    }
    extent
}

#[cfg(test)]
pub(in crate::console) mod tests;
