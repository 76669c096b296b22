//! `symbols`: of a file and of a process.

use crate::fixture::{LIBRARY, folder, json, stdout};
use snapbox::{assert_data_eq, file};

#[test]
fn all_functions_of_a_file() {
    let folder = folder("symbols_file");
    let table = stdout(&folder, &["symbols", LIBRARY, "*"]);
    assert_data_eq!(&table, file!["../snapshots/symbols_all.txt"]);
    assert_eq!(
        table,
        stdout(&folder, &["symbols", &format!("./{LIBRARY}"), "*"])
    );
}

#[test]
fn json_has_all_names() {
    let folder = folder("symbols_json");
    let found = json(&folder, &["symbols", LIBRARY, "answer_alias", "--json"]);
    let symbols = found["symbols"].as_array().unwrap();
    assert_eq!(symbols.len(), 1);
    assert_eq!(symbols[0]["address"], "0x10010");
    assert_eq!(symbols[0]["name"], "answer_alias");
    assert_eq!(symbols[0]["aliases"][0], "answer");
    assert_eq!(symbols[0]["kind"], "function");
}

#[test]
fn a_number_is_a_process() {
    let folder = folder("symbols_process");
    let pid = std::process::id().to_string();
    let all = json(&folder, &["symbols", &pid, "malloc", "--json"]);
    let own = (libc_malloc as *const ()).addr();
    let found = all["symbols"].as_array().unwrap().iter();
    let mut addresses = found.map(|symbol| symbol["address"].as_str().unwrap().to_owned());
    assert!(
        addresses.any(|address| address == format!("{own:#x}")),
        "{all} {own:#x}"
    );
    let in_libc = json(&folder, &["symbols", &pid, "libc::malloc", "--json"]);
    assert_eq!(in_libc["symbols"].as_array().unwrap().len(), 1, "{in_libc}");
}

unsafe extern "C" {
    #[link_name = "malloc"]
    safe fn libc_malloc(size: usize) -> *mut u8;
}

#[test]
fn a_file_called_like_a_number_is_a_file_if_no_such_process_runs() {
    let folder = folder("symbols_number");
    std::fs::copy(folder.join(LIBRARY), folder.join("99999999")).unwrap();
    let table = stdout(&folder, &["symbols", "99999999", "framed"]);
    assert!(table.contains("0x10000"), "{table}");
}
