//! Is the model itself right? It is held against a key that another implementation gave, and its
//! reader against the sample packs.

use packhouse_tests::{fixtures, model};

#[test]
fn the_model_gives_the_known_key_for_the_real_packs() {
    let packs = fixtures::muse_cli_packs();
    let heads = packs.iter().fold(Default::default(), |heads, pack| {
        // Each pack names the heads as they stood; the last wins here because files are in push
        // order.
        let mut heads: std::collections::BTreeMap<String, String> = heads;
        heads.extend(model::read(pack).heads);
        heads
    });
    let made = model::consolidate(&packs, &heads);
    assert_eq!(made.len() as u64, fixtures::CONSOLIDATED_BYTES);
    assert_eq!(model::key(&made), fixtures::CONSOLIDATED_KEY);
    assert_eq!(model::counts(model::union(&packs).keys()), [16, 16, 112, 0]);
    assert_eq!(model::heads_of(&packs), heads);
}

#[test]
fn the_model_reads_back_what_it_wrote() {
    let packs = fixtures::muse_cli_packs();
    let made = model::consolidate(&packs, &Default::default());
    let read = model::union(std::slice::from_ref(&made));
    for (entity, record) in model::union(&packs) {
        assert_eq!(read[&entity].bytes, record.bytes, "{entity:?}");
    }
}
