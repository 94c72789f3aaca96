//! The contract of the log: one suite over every engine, and for each engine what only it can be asked.
//!
//! Recipe for another engine: a file like `memory.rs` with an `Engine`, and a line `contract!` below.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod copying;
mod crashes;
mod engine;
#[cfg(feature = "eventstoredb")]
mod esdb;
mod given;
mod memory;
mod postgres;
mod suite;

/// Runs the whole suite over an engine; the list of its tests is here only.
macro_rules! contract {
    ($($engine:ident: $made:expr;)+) => {
        $(contract! { @tests $engine, $made,
            appending: {
                an_empty_append_is_refused,
                an_append_larger_than_the_limits_is_refused,
                any_appends_behind_whatever_is_there,
                appends_in_order_chain,
                g2_nothing_builds_on_what_another_writer_took_the_place_of,
                g2_nothing_builds_on_what_is_recorded_elsewhere,
                g2_a_long_call_is_one_chain,
                g2_what_an_append_was_decided_by_has_to_stand_still,
                g2_many_writers_and_one_who_ends_what_they_rest_on,
                everything_that_was_appended_is_read_back,
                g1_an_acknowledged_append_is_there_for_another_handle,
                g1_an_append_whose_answer_nobody_awaits_is_not_torn,
                g2_a_wrong_expectation_changes_nothing,
                g2_of_many_writers_with_one_expectation_one_wins,
                g2_random_appends_do_what_the_model_does,
                g2_revisions_are_contiguous_from_zero,
                g4_a_command_is_found_again,
                g4_a_command_with_other_content_is_refused,
                g4_a_repeated_command_gets_the_first_result_and_writes_nothing,
                g4_the_same_command_at_the_same_time_is_written_once,
                g7_overload_is_refused_and_what_was_refused_is_not_there,
            }
            reading: {
                a_stream_is_read_in_pages,
                a_page_is_bounded_in_bytes,
                a_stream_without_events_gives_none,
                an_examination_sees_what_everybody_reads,
                g3_readers_see_one_order_without_gaps,
                g5_what_was_read_once_reads_the_same_later,
                g6_a_subscriber_resumes_after_any_position,
                g6_a_subscriber_that_gives_up_waiting_loses_nothing,
                g6_a_filter_passes_its_categories_only,
                g6_a_filter_passes_its_types_only,
                the_last_snapshot_of_each_of_two_versions_is_kept,
                the_head_moves_with_the_log,
                a_log_that_is_adopted_has_another_name_and_the_same_events,
            }
            together: {
                a_long_stream_is_read_on_from_anywhere,
                a_page_of_streams_is_bounded_in_bytes,
                streams_read_together_are_what_a_reader_of_everything_picks,
                streams_that_nobody_wrote_to_have_no_part_in_a_page,
            }
        })+
    };
    (@tests $engine:ident, $made:expr, $($part:ident: { $($test:ident,)+ })+) => {
        mod $engine {
            use super::*;
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let engine = $made;
                    suite::$part::$test(&engine).await;
                }
            )+)+
        }
    };
}

contract! {
    over_memory: memory::Memory::create();
    over_postgres: postgres::Postgres::create().await;
}

#[cfg(feature = "eventstoredb")]
contract! {
    over_eventstoredb: esdb::Esdb::create().await;
}
