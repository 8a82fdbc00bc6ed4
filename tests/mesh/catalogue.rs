//! The list of all items: the one place that says what there is and where it runs.
//!
//! [`every_item`] hands the list to a macro of the test target, which makes tests of it.

/// Hands all items to the macro `$tests`: those that any mesh can run, then those that need a cluster.
macro_rules! every_item {
    ($tests:ident) => {
        $tests! {
            any_mesh {
                check::an_allowed_caller_arrives_with_the_changes_of_the_policy,
                check::a_denial_brings_its_body_and_headers,
                check::a_caller_without_a_valid_token_is_told_to_log_in,
                check::a_caller_without_mtls_has_no_principal,
                check::an_identity_that_a_caller_claims_does_not_help_it,
                check::a_caller_of_another_namespace_is_denied,
                check::a_grpc_caller_sees_the_status_that_fits_the_denial,
                check::a_tcp_connection_is_let_through_for_the_named_workload_only,
                check::a_body_over_the_limit_reaches_neither_gate_nor_application,
                failing::a_killed_gate_closes_or_opens_as_the_provider_says,
                failing::a_gate_that_does_not_answer_costs_the_time_out_of_the_provider,
                failing::a_rolling_restart_under_load_fails_no_request,
                proxy::istios_own_policies_beat_what_the_gate_allows,
                proxy::a_provider_that_is_not_there_denies_everything,
                proxy::a_waypoint_with_the_annotation_names_its_callers,
                proxy::a_waypoint_without_it_leaves_callers_without_a_name,
                reloading::a_config_map_that_changes_under_load_fails_no_request,
                reloading::a_bundle_that_changes_under_load_fails_no_request,
                filters::the_filters_stand_in_istiods_order,
            }
            cluster {
                cluster::the_charts_own_test_passes,
                cluster::istioctl_finds_nothing_wrong,
            }
        }
    };
}

pub(crate) use every_item;
