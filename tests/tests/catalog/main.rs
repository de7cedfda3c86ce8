//! The conformance suite of the catalog port, on every catalog; what only one of them promises; and
//! the verbs on two of them, which must answer the same.

#![allow(clippy::unwrap_used)]

mod model;
mod plans;
mod postgres_only;
mod pulls;
mod reads;
mod sqlite_only;

use std::sync::Arc;

use packhouse_host::CatalogPlace;
use packhouse_host::catalog::Catalog;
use packhouse_host::catalog::memory::MemoryCatalog;
use packhouse_tests::conformance;
use packhouse_tests::postgres::cluster;
use tempfile::TempDir;

/// A test of each law, on each catalog.
macro_rules! laws {
    ($($subject:ident: $($law:ident)*;)*) => {
        laws!(sqlite, in_a_file, $($subject: $($law)*;)*);
        laws!(postgres, in_a_database, $($subject: $($law)*;)*);
        laws!(memory, in_memory, $($subject: $($law)*;)*);
        const LAWS: &[plans::Law] = &[$($((
            stringify!($subject),
            stringify!($law),
            |catalog| Box::pin(conformance::$subject::$law(catalog)),
        )),*),*];
        const LISTED: &[(&str, &[&str])] = &[$((stringify!($subject), &[$(stringify!($law)),*])),*];
    };
    ($on:ident, $made:ident, $($subject:ident: $($law:ident)*;)*) => {
        mod $on {
            $(mod $subject {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $law() {
                    if let Some((catalog, _folder)) = super::super::$made(concat!(stringify!($subject), "_", stringify!($law))).await {
                        super::super::conformance::$subject::$law(catalog).await;
                    }
                })*
            })*
        }
    };
}

laws! {
    repos:
        a_new_repo_is_what_was_asked_for
        settings_change_that_are_given
        a_name_is_given_once
        repos_are_listed_by_the_bytes_of_owner_and_slug_page_by_page
        a_summary_tells_what_a_snapshot_shows
        a_catalog_says_where_and_which_it_is;
    pushes:
        a_push_is_all_there_when_it_returns
        a_push_on_another_revision_publishes_nothing
        entities_move_from_shelf_to_shelf_and_all_counts_go_with_them
        packs_of_one_push_have_a_shelf_each_in_their_order
        a_push_may_bring_heads_alone
        the_first_branch_ever_pushed_is_the_default_and_main_before_others
        heads_that_branches_left_by_force_are_remembered_since_when
        times_with_fractions_are_compared_as_times
        a_pack_of_two_repos_is_one_pack;
    consolidations:
        all_planned_shelves_hold_the_new_pack_and_what_they_held_is_retired
        law_6_publishing_changes_as_many_rows_however_many_entities_there_are
        of_two_plans_from_the_same_shelves_one_is_published
        a_plan_whose_shelves_have_changed_is_refused
        a_plan_from_some_shelves_leaves_the_others_alone
        law_6_pushes_that_land_meanwhile_keep_their_shelves
        a_push_that_was_prepared_before_a_consolidation_is_published_after_it
        the_same_bytes_again_are_not_retired
        what_was_retired_and_comes_again_is_needed_again
        entities_of_all_kinds_and_encodings_outlive_it;
    dropping:
        what_is_dropped_is_gone_from_index_edges_and_counts
        what_a_push_may_reach_by_now_is_not_dropped
        a_pack_of_whose_content_something_was_dropped_is_new_when_it_comes_again
        a_push_that_counts_on_what_was_dropped_is_prepared_again
        a_shelf_may_lose_all_that_was_mapped_to_it_and_what_is_dropped_may_come_again
        only_the_repos_own_entities_are_dropped;
    freshening:
        what_a_client_was_told_is_recent_since_then
        what_may_have_been_dropped_since_it_was_looked_up_is_looked_up_again
        a_consolidation_drops_nothing_that_a_client_was_told_since_it_was_planned
        what_a_push_brings_again_is_recent
        all_of_a_restored_repo_is_recent
        times_are_kept_to_the_millisecond;
    reading:
        a_snapshot_sees_one_state_whatever_is_published_meanwhile
        a_history_is_breadth_first_and_goes_no_further_than_asked
        a_history_of_many_begins_with_them_in_their_order
        a_long_history_is_walked_to_its_end
        edges_that_are_told_again_are_as_they_were
        lookups_answer_in_the_order_asked
        the_index_is_paged_by_kind_and_id
        a_repo_shows_its_own_and_nothing_of_others
        packs_are_found_by_shelf_and_by_key
        the_change_stamp_is_another_one_after_each_change;
    index:
        the_newest_row_of_an_entity_counts
        what_was_dropped_and_pushed_again_is_there
        pages_are_in_order_whatever_came_in_which_push
        a_snapshot_keeps_its_runs_while_others_merge
        kinds_and_forms_with_one_digest_are_apart
        a_rebuilt_index_replaces_all_of_it_and_shelves_are_counted_again
        an_index_is_not_rebuilt_over_what_was_published_since;
    merging:
        no_answer_changes_when_runs_are_merged
        runs_are_due_when_there_are_twelve_of_one_size
        a_merge_that_ends_anywhere_changes_no_answer_and_the_next_finishes
        a_merge_whose_process_died_is_given_up_after_five_minutes
        of_merges_at_once_one_is_done
        pushes_go_on_while_runs_are_merged
        a_merge_gives_way_to_what_replaces_its_sources;
    generations:
        a_commit_is_numbered_above_its_known_parents
        a_parent_that_comes_late_lowers_the_floor
        a_parent_that_comes_late_with_a_lower_generation_leaves_the_floor
        a_cycle_lowers_the_floor
        pushes_in_any_order_end_with_the_same_numbers_after_renumbering
        renumbering_meanwhile_does_not_mislead_a_walk
        a_push_meanwhile_keeps_the_floor
        after_a_consolidation_that_dropped_something_nothing_is_renumbered
        a_renumbering_says_which_parents_are_awaited
        commits_are_listed_by_id_page_by_page
        tags_are_found_by_commit;
    complete:
        a_push_and_a_consolidation_record_a_complete_pack
        a_consolidation_without_one_forgets_it_and_a_push_does_not
        a_consolidation_of_other_packs_keeps_it
        what_is_mapped_to_other_packs_by_now_is_not_counted
        a_pack_that_was_only_checked_is_recorded_if_nothing_has_changed
        it_goes_with_its_pack;
    fetch_requests:
        a_request_is_found_until_the_latest_time_that_was_noted
        requests_that_expired_are_removed
        requests_keep_to_their_budget
        room_for_requests_is_given_once
        requests_go_with_their_repo;
    large:
        a_publication_of_many_entities_is_all_there_and_may_be_dropped_again
        a_push_of_many_packs_and_branches_is_all_there
        many_are_made_recent_at_once;
    damage:
        damage_is_remembered_since_it_was_first_found_until_it_is_found_sound
        a_failure_because_of_damage_counts_as_long_as_the_damage
        packs_tell_when_they_were_last_found_sound
        what_is_published_is_sound
        what_no_shelf_holds_is_no_damage_of_a_repo_and_is_forgotten_with_its_pack
        damage_of_a_deleted_repo_is_forgotten
        a_repo_says_which_packs_are_on_its_shelves
        alerts_count_each_damaged_repo_once
        a_broken_shelf_goes_when_nothing_is_mapped_to_it_any_more
        a_broken_pack_on_many_shelves_is_retired_with_the_last
        packs_that_may_go_are_those_that_would_be_forgotten_with_the_repos_that_had_them
        a_job_that_met_damage_is_healed_with_it
        a_push_that_met_damage_is_never_healed_and_a_mirror_if_there_is_another;
    scrubs:
        the_oldest_first
        two_workers_never_read_one_pack
        a_lease_that_ran_out_is_given_to_another
        packs_of_no_repo_and_known_damage_are_left_alone
        the_state_tells_the_oldest_check_and_what_is_due;
    branches:
        a_deleted_branch_is_gone_and_where_it_stood_is_remembered
        the_default_branch_moves_in_the_same_moment
        a_deletion_that_was_decided_on_another_state_changes_nothing
        a_push_that_was_prepared_before_it_begins_anew;
    deleting:
        a_deleted_repo_leaves_packs_that_wait_and_a_free_name
        nothing_of_its_index_and_branches_comes_back_with_its_name
        what_was_prepared_for_it_is_told_that_it_has_changed
        packs_that_other_repos_hold_stay_needed
        an_empty_repo_leaves_nothing
        a_restored_repo_is_as_it_was
        of_a_name_the_repo_that_was_deleted_last_is_restored_if_the_name_is_free
        a_deleted_repo_is_restored_by_its_id_and_under_another_name
        what_was_forgotten_is_not_restored_and_names_a_pack
        an_empty_repo_is_restored_until_it_is_forgotten
        nothing_is_asked_of_workers_for_a_deleted_repo;
    packs:
        a_pack_is_unneeded_when_no_repo_holds_it_since_the_last_gave_it_up
        the_newest_pack_that_is_known_is_told
        a_pack_that_was_retired_later_than_said_is_kept
        times_with_fractions_decide_what_is_kept
        times_in_the_future_count_from_when_they_are_seen
        its_clock_goes_forward
        what_a_shelf_holds_by_now_is_kept
        the_packs_of_a_job_that_has_not_ended_are_known_and_never_forgotten
        all_packs_on_shelves_are_held_once
        answers_are_good_until_the_latest_time_that_was_noted
        the_same_plan_is_the_same_answer_and_its_time_is_moved
        alerts_count_what_may_be_pruned_each_pack_once
        totals_are_the_sums_of_all_summaries;
    locking:
        many_publish_together
        who_deletes_is_alone
        a_right_is_given_back_when_it_is_dropped_even_by_who_still_waits
        who_waits_to_delete_is_not_starved_by_those_who_keep_publishing;
    gc_log:
        runs_are_remembered_as_they_ended_newest_first
        doing_nothing_again_is_no_news
        runs_are_found_by_a_text_as_it_stands
        runs_are_listed_page_by_page
        what_a_run_reported_is_kept_with_it
        paces_are_of_runs_that_made_something
        runs_of_a_deleted_repo_are_not_listed;
    jobs:
        a_job_is_told_as_it_was_asked_for
        of_consolidations_mirrors_and_deletions_one_waits
        jobs_are_listed_newest_first_by_repo_and_status_page_by_page
        the_job_that_has_been_due_for_longest_is_taken_first
        a_job_that_is_to_be_tried_again_is_not_due_before
        a_job_ends_once_with_what_came_of_it
        a_failed_or_cancelled_job_begins_anew_and_no_other
        a_repo_has_one_mirror_also_while_it_runs
        where_another_of_its_kind_waits_that_one_will_do
        the_job_that_waits_does_what_both_are_to_do
        a_job_that_waits_or_runs_can_be_taken_back_and_no_other
        the_packs_of_a_job_wait_with_it_until_it_ends
        a_job_has_the_code_of_the_error_of_its_last_attempt;
    leases:
        a_job_is_its_workers_until_the_lease_runs_out
        a_lease_that_ran_out_and_that_nobody_took_is_still_its_own
        with_an_old_fence_nothing_is_published
        for_a_job_that_ended_or_was_taken_back_nothing_is_published
        of_one_repo_one_consolidation_runs
        pushes_of_one_repo_are_indexed_in_the_order_in_which_they_were_asked_for
        jobs_of_a_deleted_repo_publish_nothing_more
        alerts_say_when_a_job_is_due_and_until_when_one_is_leased;
    policies:
        a_policy_is_kept_as_it_was_set_until_it_is_taken_back
        a_trial_write_leaves_nothing
        pressure_is_told_of_repos_with_more_than_one_pack
        the_oldest_is_the_oldest_within_a_second_as_well
        repos_with_changes_since_a_number_are_named_and_no_others;
    releases:
        a_release_is_kept_as_it_was_sent_and_the_newest_comes_first
        in_a_repo_a_tag_and_a_release_id_are_given_once
        a_release_of_an_unknown_commit_or_beyond_the_limit_is_none
        a_consolidation_that_was_planned_before_a_release_drops_nothing
        a_deleted_repo_has_no_releases;
    access:
        a_token_is_kept_as_it_was_made
        an_id_is_given_once
        tokens_are_listed_by_when_they_were_made_then_by_id
        a_token_is_revoked_once_and_the_first_time_counts
        of_a_name_there_is_one_secret_the_first_that_was_kept
        what_is_kept_is_the_last_that_was_and_looking_keeps_nothing
        of_those_who_revoke_a_token_at_once_one_tells_when
        all_who_ask_for_a_secret_at_once_get_the_same;
    races:
        of_those_who_make_one_repo_at_once_one_makes_it
        of_pushes_on_one_revision_one_is_published
        pushes_that_begin_anew_are_all_published
        of_consolidations_of_the_same_shelves_one_is_published
        pushes_and_consolidations_at_once_lose_nothing
        deleting_a_repo_while_others_publish_to_it_leaves_no_half
        packs_are_forgotten_and_pushed_at_once_and_none_is_lost
        each_job_is_given_to_one_of_many_workers
        of_workers_who_take_over_a_job_one_gets_it
        however_often_it_is_asked_for_one_consolidation_runs_and_one_waits
        calls_that_nobody_waits_for_leave_no_transaction_behind
        of_writers_at_once_each_succeeds_or_fails_for_itself;
}

/// A new catalog, and what must live as long.
type Made = Option<(Arc<dyn Catalog>, Option<TempDir>)>;

async fn in_memory(_: &str) -> Made {
    Some((Arc::new(MemoryCatalog::default()), None))
}

async fn in_a_file(_: &str) -> Made {
    let folder = tempfile::tempdir().unwrap();
    let catalog = CatalogPlace::Sqlite(folder.path().join("catalog.db")).open().await.unwrap();
    Some((catalog, Some(folder)))
}

/// In a database that orders texts as English does: the catalog must not.
async fn in_a_database(law: &str) -> Made {
    // Postgres cuts names off at 63 bytes.
    let name: String = law.chars().take(60).collect();
    let place = CatalogPlace::Postgres(cluster()?.english(&name));
    Some((place.open().await.unwrap(), None))
}

#[test]
fn every_law_of_the_suite_is_run() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/conformance");
    let mut subjects = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let subject = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let source = std::fs::read_to_string(&path).unwrap();
        let law = |after: &str| {
            let (name, arguments) = after.split_once('(')?;
            let rest = arguments.trim_start().strip_prefix("catalog: Arc<dyn Catalog>")?;
            rest.trim_start_matches([',', '\n']).starts_with(')').then(|| name.to_owned())
        };
        let written: Vec<String> =
            source.split("\npub async fn ").skip(1).filter_map(law).collect();
        let listed =
            LISTED.iter().find(|(listed, _)| *listed == subject).map_or(&[][..], |(_, laws)| *laws);
        assert_eq!(written, listed, "{subject}");
        subjects += usize::from(!written.is_empty());
    }
    assert_eq!(subjects, LISTED.len());
}
