use super::*;
use crate::console::tests::fake::{now, summary};

fn list(repos: &[(&str, u64)]) -> Repos {
    let mut list = Repos::default();
    list.begin(Ticket(1), now());
    let page = repos.iter().map(|(name, packs)| summary(name, *packs)).collect();
    assert_eq!(list.take(Ok(page), now()), None);
    list
}

fn shown(list: &Repos) -> Vec<String> {
    list.from(0).map(|repo| repo.repo.to_string()).collect()
}

#[test]
fn numbers_are_sorted_the_worst_first_and_names_by_the_alphabet() {
    let mut list = list(&[("a/a", 2), ("a/b", 9), ("a/c", 2)]);
    list.sort(Action::SortNext, now());
    assert_eq!(
        (list.sorted(), shown(&list)),
        ((Column::State, false), vec!["a/b".into(), "a/a".into(), "a/c".into()])
    );
    list.sort(Action::SortTurn, now());
    assert_eq!(shown(&list), ["a/a", "a/c", "a/b"]);
    list.sort(Action::SortPrevious, now());
    assert_eq!(
        (list.sorted(), shown(&list)),
        ((Column::Name, true), vec!["a/a".into(), "a/b".into(), "a/c".into()])
    );
    list.sort(Action::SortTurn, now());
    assert_eq!(shown(&list), ["a/c", "a/b", "a/a"]);
}

#[test]
fn pages_are_shown_as_they_come_and_a_later_reading_only_when_it_is_complete() {
    let page = |from: usize, many: usize| {
        Ok((from..from + many).map(|n| summary(&format!("o/r{n:05}"), 1)).collect::<Vec<_>>())
    };
    let mut list = Repos::default();
    list.begin(Ticket(1), now());
    let after = list.take(page(0, PAGE as usize), now());
    assert_eq!(
        (after.unwrap().to_string(), list.shown(), list.known),
        ("o/r00999".into(), 1000, false)
    );
    assert_eq!(list.take(page(1000, 5), now()), None);
    assert_eq!((list.shown(), list.known), (1005, true));
    list.select(1003);
    list.begin(Ticket(2), now());
    list.take(page(3, PAGE as usize), now());
    assert_eq!(list.shown(), 1005);
    list.take(page(1003, 2), now());
    assert_eq!((list.shown(), list.current().unwrap().repo.to_string()), (1002, "o/r01003".into()));
}

#[test]
fn marks_outlive_the_filter_and_not_the_repo() {
    let mut list = list(&[("a/a", 2), ("a/b", 9), ("b/c", 2)]);
    list.mark_all();
    list.paste_filter("b/", now());
    assert_eq!((list.shown(), list.marks()), (1, 3));
    list.mark_all();
    assert_eq!(list.marks(), 0);
    list.mark();
    list.clear_filter(now());
    assert_eq!(list.marked().iter().map(|repo| repo.repo.to_string()).collect::<Vec<_>>(), ["b/c"]);
    list.begin(Ticket(2), now());
    list.take(Ok(vec![summary("a/a", 2)]), now());
    assert_eq!(list.marks(), 0);
}

#[test]
fn of_a_bad_filter_what_is_good_holds() {
    let mut list = list(&[("a/a", 2), ("a/b", 9), ("b/b", 9)]);
    list.paste_filter("packs>x a/", now());
    assert!(list.bad_filter.as_ref().unwrap().contains("`packs>x`"));
    assert_eq!(shown(&list), ["a/a", "a/b"]);
    list.clear_filter(now());
    assert_eq!((list.shown(), &list.bad_filter), (3, &None));
    // With blanks, it means the same.
    list.paste_filter("packs > 5", now());
    assert_eq!((shown(&list), &list.bad_filter), (vec!["a/b".to_owned(), "b/b".to_owned()], &None));
}

#[test]
fn marks_that_the_filter_hides_are_counted() {
    let mut list = list(&[("a/a", 2), ("a/b", 9), ("b/c", 2)]);
    list.mark();
    list.mark();
    assert_eq!((list.marks(), list.hidden_marks()), (2, 0));
    list.paste_filter("b/", now());
    assert_eq!((list.marks(), list.hidden_marks()), (2, 2));
    list.mark_all();
    assert_eq!((list.marks(), list.hidden_marks()), (3, 2));
    list.clear_filter(now());
    assert_eq!((list.marks(), list.hidden_marks()), (3, 0));
}

#[test]
fn a_repo_is_found_by_its_name() {
    let list = list(&[("a/a", 2), ("a/b", 9), ("b/c", 2)]);
    assert_eq!(list.get(&"a/b".parse().unwrap()).map(|repo| repo.packs), Some(9));
    assert_eq!(list.get(&"a/c".parse().unwrap()), None);
}

#[test]
fn a_stale_list_is_read_again_but_not_all_the_time() {
    let mut list = list(&[("a/a", 2)]);
    let later = |seconds| now() + jiff::SignedDuration::from_secs(seconds);
    assert!(!list.due(later(60)));
    list.stale = true;
    assert!(!list.due(later(1)) && list.due(later(2)));
    list.begin(Ticket(2), later(10));
    list.take(Ok(vec![summary("a/a", 3)]), later(14));
    list.stale = true;
    assert!(!list.due(later(53)) && list.due(later(54)));
}
