use super::*;
use crate::console::keys::Action;
use crate::console::tests::fake::summary;

fn many(number: usize) -> ConfirmDialog {
    of((0..number).map(|n| summary(&format!("o/r{n}"), 2)).collect())
}

fn of(marked: Vec<RepoSummary>) -> ConfirmDialog {
    let choice = Choice::of(
        marked,
        |repo| repo.to_string() == "a/busy",
        |repo| repo.to_string() != "a/hidden",
    );
    let mut dialog = ConfirmDialog::of(choice, Ticket(1), true);
    dialog.drawn(false);
    dialog
}

#[test]
fn more_than_ten_repos_ask_for_their_number() {
    assert!(matches!(many(10).confirm(), Some(Confirmed::Many(_, repos)) if repos.len() == 10));
    let mut dialog = many(11);
    assert_eq!(dialog.focus(), Focus::Typing);
    assert!(
        dialog.confirm().is_none()
            && dialog.refusal.take().is_some_and(|text| text.contains("Type 11 to confirm"))
    );
    for (typed, right) in [("1", false), ("10", false), ("y", false), (" 11", true)] {
        let Asks::Count(input) = &mut dialog.asks else { panic!() };
        input.act(Action::EraseAll);
        input.paste(typed);
        assert_eq!(dialog.confirm().is_some(), right, "{typed}");
    }
}

#[test]
fn repos_with_nothing_to_do_are_skipped_by_name() {
    let mut dialog = of(vec![summary("a/a", 1), summary("a/b", 0)]);
    assert_eq!(dialog.focus(), Focus::Preview);
    assert!(dialog.confirm().is_none());
    let mut dialog = of(vec![
        summary("a/a", 1),
        summary("a/b", 5),
        summary("a/busy", 5),
        summary("a/hidden", 5),
    ]);
    let left_out: Vec<_> =
        dialog.left_out.iter().map(|(repo, why)| (repo.to_string(), *why)).collect();
    assert_eq!(left_out, [("a/a".to_owned(), Why::OnePack), ("a/busy".to_owned(), Why::Busy)]);
    assert_eq!(dialog.hidden.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a/hidden"]);
    assert!(matches!(dialog.confirm(), Some(Confirmed::Many(_, repos)) if repos.len() == 2));
}

#[test]
fn a_plan_that_was_not_drawn_cannot_be_confirmed() {
    let mut dialog = ConfirmDialog::one("a/b".parse().unwrap(), Ticket(1), true);
    dialog.drawn(false);
    dialog.take(Ok(crate::console::tests::fake::gc_plan(&summary("a/b", 3))));
    assert!(dialog.confirm().is_none(), "the frame had no plan yet");
    dialog.drawn(false);
    assert!(dialog.confirm().is_some());
    let marked = (0..3).map(|n| summary(&format!("o/r{n}"), 2)).collect();
    assert!(
        ConfirmDialog::of(Choice::of(marked, |_| false, |_| true), Ticket(1), true)
            .confirm()
            .is_none()
    );
}

#[test]
fn a_single_remaining_repo_shows_its_own_plan() {
    let mut dialog = of(vec![summary("a/a", 1), summary("a/b", 5)]);
    assert_eq!(dialog.repo().map(ToString::to_string).as_deref(), Some("a/b"));
    assert!(dialog.awaits(Ticket(1)) && dialog.left_out.len() == 1 && dialog.confirm().is_none());
}

#[test]
fn a_preview_cannot_be_confirmed() {
    let mut dialog = ConfirmDialog::one("a/b".parse().unwrap(), Ticket(1), false);
    dialog.take(Ok(crate::console::tests::fake::gc_plan(&summary("a/b", 3))));
    dialog.drawn(false);
    assert!(dialog.confirm().is_none());
    let mut dialog = many(3);
    dialog.asks = Asks::Nothing;
    assert!(dialog.confirm().is_none());
}
