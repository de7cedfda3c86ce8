//! How the console looks: `view` draws a model and changes nothing.
//!
//! ```text
//!  packhouse › gabriel/notes                     1 running, 3 waiting · read-only · /srv/store   header: where one is
//!  line down 14 s · data 20 s old · trying again                                                 only while it is down
//!                                                                                                body: a file per screen
//!  g consolidate  p preview  v verify  Esc back                                                  footer: what keys do
//! ```
//!
//! Screens draw only what they have room for, and drop columns and hints as it gets narrow. Every
//! text that comes from a store goes through [`crate::text::escaped`]. Whatever a colour says, a word
//! says too. For a terminal that knows nothing but ASCII, [`ascii`] goes over what was drawn.

mod ascii;
mod bars;
mod chart;
mod columns;
mod confirm;
mod connection;
mod dialog;
mod help;
mod history;
mod leave;
mod log;
mod packs;
mod palette;
mod parts;
mod record;
mod repo;
mod repos;
mod result;
mod run;
mod runs;
mod table;
mod theme;

use parts::{
    fact, failure_lines, heading, holds, last_words, plain, room, scrolled, state_words, styled,
};
pub(super) use theme::{Styles, Theme};

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};

use super::keys::{Action, Place};
use super::msg::Extent;
use super::state::{Model, Screen};

/// Draws everything, and tells how far the scrolled part reaches.
pub(super) fn view(model: &Model, frame: &mut Frame) -> Extent {
    let rows = [
        Constraint::Length(1),
        Constraint::Length(connection::rows(model)),
        Constraint::Fill(1),
        Constraint::Length(1),
    ];
    let [header, down, body, footer] = Layout::vertical(rows).areas(frame.area());
    let mut extent = match (&model.dialog, model.screens.last()) {
        (Some(dialog), _) => confirm::draw(model, dialog, frame, body),
        (None, None) => repos::draw(model, frame, body),
        (None, Some(Screen::Repo(repo))) => repo::draw(model, repo, frame, body),
        (None, Some(Screen::Runs)) => runs::draw(model, frame, body),
        (None, Some(Screen::Run(ticket))) => match model.runs.get(*ticket) {
            Some(run) => run::draw(model, run, frame, body),
            None => scrolled(
                frame,
                body,
                plain(vec!["This work was long ago, and is forgotten.".to_owned()]),
                0,
            ),
        },
        (None, Some(Screen::History)) => history::draw(model, frame, body),
        (None, Some(Screen::Record(entry, top))) => record::draw(model, entry, *top, frame, body),
        (None, Some(Screen::Log)) => log::draw(model, frame, body),
    };
    if let Some(leave) = model.leave {
        leave::draw(model, leave, frame, body);
    }
    if let Some(palette) = &model.palette {
        extent = palette::draw(model, palette, frame, body);
    }
    if let Some(top) = model.help {
        extent = help::draw(model, top, frame, body);
    }
    bars::header(model, frame, header);
    connection::draw(model, frame, down);
    bars::footer(model, frame, footer);
    if model.styles.ascii {
        ascii::only(frame.buffer_mut());
    }
    extent
}

/// The key of an action in a place, as it is shown.
fn key_in(model: &Model, place: Place, action: Action) -> String {
    let binding = model.keymap.of_place(place).find(|binding| binding.row.action == action);
    binding.and_then(|binding| binding.keys.first()).map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
pub(in crate::console) mod tests;
