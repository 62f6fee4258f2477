//! Programs that must not compile, each with the expected error. The errors are those of Rust 1.95;
//! `TRYBUILD=overwrite` writes them again for another version.

// One test, because two would build the dependencies twice.
#[test]
fn queries_of_the_wrong_type_and_writes_beyond_the_role_do_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/compile_fail/right_*.rs");
    for wrong in [
        "enum",
        "text",
        "null",
        "field",
        "float",
        "role",
        "session",
        "bust",
        "resolution",
        "action",
    ] {
        cases.compile_fail(format!("tests/compile_fail/{wrong}_*.rs"));
    }
}
