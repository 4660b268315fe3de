//! Any sequence of requests: nothing panics, and the log always adds up to the state.

use crate::script::World;
use klamm_group_coordinator::GroupConfig;
use proptest::prelude::*;

fn line() -> impl Strategy<Value = String> {
    let client = (1..5u8).prop_map(|n| format!("m{n}"));
    let other = (1..5u8).prop_map(|n| format!("m{n}"));
    let what = prop_oneof![
        5 => Just("joins".to_owned()),
        2 => Just("joins v3 topics=u".to_owned()),
        2 => (1..3u8).prop_map(|n| format!("joins v9 instance=i{n}")),
        2 => (1..3u8).prop_map(|n| format!("joins as=nobody instance=i{n} protocols=sticky,range")),
        1 => Just("joins protocols=sticky,range".to_owned()),
        1 => Just("joins as=nobody".to_owned()),
        5 => Just("syncs".to_owned()),
        4 => Just("beats".to_owned()),
        2 => Just("leaves".to_owned()),
        1 => (1..3u8).prop_map(|n| format!("leaves as=nobody instance=i{n}")),
        3 => (0..3u8, 0..9u8).prop_map(|(partition, offset)| format!("commits t-{partition}={offset}")),
        1 => (0..3u8).prop_map(|partition| format!("commits as=nobody gen=-1 u-{partition}=1 retention=700000")),
        1 => (0..3u8).prop_map(|partition| format!("deletes-offsets t-{partition} u-0")),
        1 => Just("deletes-group".to_owned()),
        1 => Just("loses-topic t-0".to_owned()),
    ];
    let request = (client, what).prop_map(|(client, what)| format!("{client} {what}"));
    let assigning = (other, 0..9u8).prop_map(|(client, n)| format!("{client} syncs {client}:A{n}"));
    prop_oneof![
        12 => request,
        3 => assigning,
        4 => (0..8_000i32).prop_map(|ms| format!("wait {ms}")),
        1 => Just("wait 400000".to_owned()),
        1 => Just("restart".to_owned()),
        1 => Just("lose".to_owned()),
        3 => Just("release".to_owned()),
        1 => Just("hold".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
    #[test]
    fn the_log_always_adds_up_to_the_state(lines in prop::collection::vec(line(), 0..80)) {
        let config = GroupConfig { max_size: 3, offsets_retention_ms: 600_000, ..GroupConfig::default() };
        let mut world = World::new(config);
        for line in &lines {
            world.run(line);
        }
        world.run("release");
        world.check_log_against_state();
        // Left alone, members fall silent, offsets expire, and nothing remains.
        world.run("wait 20000000");
        world.check_log_against_state();
        prop_assert_eq!(world.run("x lists"), "x:");
    }
}
