//! OPA's sections that nobody reads here: their names and types, so that a working opa-envoy configuration is accepted
//! as it is and a slip of the pen in it is found.

use super::schema::Shape::{self, Any, Bool, Integer, List, Map, Object, Text};

/// Every section of OPA that has no reader of its own, in the order problems are reported.
pub(super) const SECTIONS: &[(&str, Shape)] = &[
    ("default_decision", Text),
    ("default_authorization_decision", Text),
    ("caching", CACHING),
    ("nd_builtin_cache", Bool),
    ("persistence_directory", Text),
    ("server", SERVER),
    ("storage", STORAGE),
];

const CACHING: Shape = Object(&[
    (
        "inter_query_builtin_cache",
        Object(&[
            ("max_size_bytes", Integer),
            ("forced_eviction_threshold_percentage", Integer),
            ("stale_entry_eviction_period_seconds", Integer),
        ]),
    ),
    (
        "inter_query_builtin_value_cache",
        Object(&[
            ("max_num_entries", Integer),
            ("named", Map(&Object(&[("max_num_entries", Integer)]))),
        ]),
    ),
]);

const SERVER: Shape = Object(&[
    ("encoding", Map(&Any)),
    ("decoding", Map(&Any)),
    ("metrics", Map(&Any)),
]);

const STORAGE: Shape = Object(&[(
    "disk",
    Object(&[
        ("directory", Text),
        ("auto_create", Bool),
        ("partitions", List(&Text)),
        ("badger", Text),
    ]),
)]);
