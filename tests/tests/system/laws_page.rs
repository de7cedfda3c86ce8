//! docs/laws.md names the tests that keep each law: they must be there.

use std::path::Path;

#[test]
fn the_page_names_tests_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |file: &str| {
        std::fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    };
    let page = read("docs/laws.md");
    // An item of a list: a link to a file, a colon, the names of tests in it.
    let items = page.split("\n- [").skip(1);
    let mut named = 0;
    for item in items {
        let link = item
            .split_once("](../")
            .map(|(_, link)| link)
            .expect("an item begins with a link to a file");
        let (file, tests) = link.split_once("):").expect("a colon follows the link");
        let (tests, source) = (tests.split("\n\n").next().unwrap_or_default(), read(file));
        for test in tests.split('`').skip(1).step_by(2) {
            assert!(
                source.contains(&format!("fn {test}(")),
                "{file} has no test {test}; docs/laws.md names it"
            );
            named += 1;
        }
    }
    assert!(named > 50, "docs/laws.md names {named} tests");
}
