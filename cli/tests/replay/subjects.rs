//! The crates that are replayed: each has a library, a program, and versions that
//! differ in a few places to nearly all.

use crate::corpus;
use crate::published::Published;
use std::path::Path;

pub(crate) struct Subject {
    pub(crate) published: Published,
    /// What the program is asked; from the sources of the newest version.
    pub(crate) questions: fn(&Path) -> Vec<Vec<u8>>,
    /// Functions that are edited if not all are: the version, and which.
    pub(crate) few: (&'static str, &'static [&'static str]),
}

pub(crate) const PULLDOWN_CMARK: Subject = Subject {
    published: Published {
        name: "pulldown-cmark",
        versions: &[
            (
                "0.11.0",
                "8746739f11d39ce5ad5c2520a9b75285310dbfe78c541ccf832d38615765aec0",
            ),
            (
                "0.11.2",
                "cb4e75767fbc9d92b90e4d0c011f61358cde9513b31ef07ea3631b15ffc3b4fd",
            ),
            (
                "0.11.3",
                "679341d22c78c6c649893cbd6c3278dcbe9fc4faa62fea3a9296ae2b50c14625",
            ),
            (
                "0.12.0",
                "4d31cbfcd94884c3a67ec210c83efb06cb43674043458b0ad59f6947f8462c23",
            ),
            (
                "0.12.1",
                "666f0f59e259aea2d72e6012290c09877a780935cc3c18b1ceded41f3890d59c",
            ),
            (
                "0.12.2",
                "f86ba2052aebccc42cbbb3ed234b8b13ce76f75c3551a303cb2bcffcff12bb14",
            ),
            (
                "0.13.0",
                "1e8bbe1a966bd2f362681a44f6edce3c2310ac21e4d5067a6e7ec396297a6ea0",
            ),
            (
                "0.13.3",
                "7c3a14896dfa883796f1cb410461aef38810ea05f2b2c33c5aded3649095fdad",
            ),
            (
                "0.13.4",
                "e9f068eba8e7071c5f9511831b44f32c740d5adf574e990f946ddb53db2f314e",
            ),
            (
                "0.13.5",
                "278e9268c93b9e498a2da46c34d90ba93a3255eb99009646398f34bc73ab36eb",
            ),
            (
                "0.13.6",
                "3db2be46835f013dd3f4fa7f5f7402c537787b54ebb6fe2b94bbdd7e2669bb7b",
            ),
        ],
    },
    questions: corpus::markdown,
    few: (
        "0.12.2",
        &["::parse_footnote", ": scan_entity", ": unescape"],
    ),
};

pub(crate) const NUM2WORDS: Subject = Subject {
    published: Published {
        name: "num2words",
        versions: &[
            (
                "0.4.0",
                "d0695bb566b8d95b34885b26283b2c8c1d58f3852370dc52004e52216a2dc4c6",
            ),
            (
                "0.4.1",
                "a1f9771c0512b6a954a62b5106cc000bb5d77b1f60a792b5f70f531b84baefff",
            ),
            (
                "1.0.0",
                "819d223b768e9b0f8eb95c3add8fedd0c040466bc508306b9267dc406a651b7e",
            ),
            (
                "1.0.1",
                "207f4493b991f3dfb888a10f27109d831cf19a2ad5b91886c863eaf828ef6744",
            ),
            (
                "1.1.0",
                "33fbe825be60299b08bf31efe47e5cb53ae76eda535f3c5afb4c319426115d1a",
            ),
            (
                "1.2.0",
                "2ab78b987a0e1e6cf869a443f7f1c9dc696117d47780227e961e742d0b45d706",
            ),
        ],
    },
    questions: corpus::numbers,
    few: ("1.1.0", &["::currencies", "::currency_fraction"]),
};

pub(crate) const HEXYL: Subject = Subject {
    published: Published {
        name: "hexyl",
        versions: &[
            (
                "0.12.0",
                "392fe25d8f080f8fed5faed180f560e2379f411c3fc0a62bba146d93d893d95d",
            ),
            (
                "0.13.0",
                "5b3dd00b4390037ba970bbd949d37d832985cae5f0c6b59310a8b877849f1811",
            ),
            (
                "0.13.1",
                "e9eb4684de301595e9e86de30dc18f404145c9be3e4614f0710982c60bcb298a",
            ),
            (
                "0.14.0",
                "95ad72372c061e725e93c889db3633e7cb612ceb9f9b2dfa636fadbb22610b3a",
            ),
            (
                "0.15.0",
                "42852ba75d3155575dd9e1d801ddab5f5db6e38c430ba784563f7a6b517829a6",
            ),
            (
                "0.16.0",
                "43d56dd04872b6c6d429f18d2e03df95f853feb618c7cd8bf22d0e6851ce5ef8",
            ),
            (
                "0.17.0",
                "e0df0c7b9afa020673c0942ae257a938b257d79e6395d8f1b8b45898f3391c5e",
            ),
        ],
    },
    questions: corpus::bytes,
    few: ("0.13.1", &["::print_all", "::print_position_panel"]),
};
