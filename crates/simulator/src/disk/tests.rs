use std::io::IoSlice;

use super::*;
use crate::Random;

fn disk() -> (SimDisk, PathBuf) {
    let disk = SimDisk::default();
    let dir = PathBuf::from("/data");
    disk.create_dir(&dir).unwrap();
    disk.open_dir(Path::new("/")).unwrap().sync().unwrap();
    (disk, dir)
}

fn write(file: &dyn DiskFile, bytes: &[u8], position: u64) {
    assert_eq!(file.write_at(&[IoSlice::new(bytes)], position).unwrap(), bytes.len());
}

fn read(disk: &SimDisk, path: &Path) -> Option<Vec<u8>> {
    let file = disk.open(path).ok()?;
    let mut bytes = vec![0; file.size().unwrap() as usize];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
    Some(bytes)
}

#[test]
fn what_was_synced_survives_and_of_the_rest_anything_may() {
    let mut seen = BTreeSet::new();
    for seed in 0..300 {
        let (disk, dir) = disk();
        let path = dir.join("a");
        let file = disk.create(&path).unwrap();
        write(&*file, &[1; 600], 0);
        file.sync().unwrap();
        disk.open_dir(&dir).unwrap().sync().unwrap();
        write(&*file, &[2; 1200], 600);
        disk.crash(Crash::Power, &mut Random::new(seed));
        let bytes = read(&disk, &path).unwrap();
        assert_eq!(bytes[..600], [1; 600]);
        seen.insert(bytes);
    }
    assert!(seen.iter().any(|bytes| bytes.len() == 600), "nothing of the rest");
    assert!(
        seen.iter()
            .any(|bytes| *bytes == [[1; 600].as_slice(), &[2; 1200]].concat()),
        "all of it"
    );
    assert!(seen.iter().any(|bytes| bytes[600..].contains(&0)), "a hole");
}

#[test]
fn names_survive_by_the_sync_of_their_directory() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..200 {
        let (disk, dir) = disk();
        for name in ["old", "kept"] {
            disk.create(&dir.join(name)).unwrap().sync().unwrap();
        }
        disk.open_dir(&dir).unwrap().sync().unwrap();
        disk.rename(&dir.join("old"), &dir.join("new")).unwrap();
        disk.remove_file(&dir.join("kept")).unwrap();
        disk.crash(Crash::Power, &mut Random::new(seed));
        let names: Vec<_> = disk.list(&dir).unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(
            names.iter().filter(|name| ["old", "new"].contains(&&***name)).count(),
            1,
            "{names:?}"
        );
        outcomes.insert(names);
    }
    assert_eq!(outcomes.len(), 4, "{outcomes:?}");
    let (disk, dir) = disk();
    disk.create(&dir.join("a")).unwrap();
    disk.crash(Crash::Process, &mut Random::new(0));
    assert_eq!(disk.list(&dir).unwrap().len(), 1, "a process that dies loses nothing");
}

#[test]
fn a_failed_sync_loses_what_it_was_to_save_even_if_the_next_one_succeeds() {
    let (disk, dir) = disk();
    let file = disk.create(&dir.join("a")).unwrap();
    disk.open_dir(&dir).unwrap().sync().unwrap();
    write(&*file, b"data", 0);
    disk.fail_after(Some((0, Failure::Io)));
    file.sync().unwrap_err();
    file.sync().unwrap();
    assert_eq!(read(&disk, &dir.join("a")).unwrap(), b"data");
    disk.crash(Crash::Power, &mut Random::new(1));
    assert_eq!(read(&disk, &dir.join("a")).unwrap(), b"");
}

#[test]
fn the_whole_is_synced_at_once_or_not() {
    let (disk, dir) = disk();
    let whole = disk.file_system(&dir).unwrap();
    let file = disk.create(&dir.join("a")).unwrap();
    write(&*file, b"data", 0);
    whole.sync().unwrap();
    write(&*file, b"more", 4);
    disk.create(&dir.join("b")).unwrap();
    disk.fail_after(Some((0, Failure::Io)));
    whole.sync().unwrap_err();
    assert!(disk.sync_failed());
    disk.crash(Crash::Power, &mut Random::new(1));
    assert_eq!(read(&disk, &dir.join("a")).unwrap(), b"data");
}

#[test]
fn a_full_disk_takes_what_fits() {
    let (disk, dir) = disk();
    disk.set_capacity(6);
    let file = disk.create(&dir.join("a")).unwrap();
    assert_eq!(file.write_at(&[IoSlice::new(b"abcd")], 0).unwrap(), 4);
    assert_eq!(file.write_at(&[IoSlice::new(b"efgh")], 4).unwrap(), 2);
    let error = file.write_at(&[IoSlice::new(b"gh")], 6).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(
        file.write_at(&[IoSlice::new(b"AB")], 0).unwrap(),
        2,
        "room that it has already"
    );
    disk.set_capacity(100);
    assert_eq!(file.write_at(&[IoSlice::new(b"gh")], 6).unwrap(), 2);
    assert_eq!(disk.space(&dir).unwrap().usable_bytes, 92);
}

#[test]
fn a_directory_has_one_owner() {
    let (disk, dir) = disk();
    let lock = disk.lock(&dir).unwrap();
    assert_eq!(disk.lock(&dir).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
    drop(lock);
    disk.lock(&dir).unwrap();
}

#[test]
fn a_read_fails_once_and_whoever_may_wait_gets_cold_bytes() {
    let (disk, dir) = disk();
    let file = disk.create(&dir.join("a")).unwrap();
    write(&*file, b"data", 0);
    let eio = |error: io::Error| assert_eq!(error.raw_os_error(), Some(5));
    disk.fail_read_after(Some(1));
    assert_eq!(file.size().unwrap(), 4);
    assert!(!disk.read_failed());
    eio(file.read_at(&mut [0; 4], 0).unwrap_err());
    assert!(disk.read_failed());
    disk.go_cold(Random::new(1));
    assert_eq!(read(&disk, &dir.join("a")).unwrap(), b"data");
    assert_eq!(disk.waits(), 0, "it could wait");
    let calls: [fn(&SimDisk, &Path) -> io::Result<()>; 3] = [
        |disk, path| disk.open(path).map(drop),
        |disk, path| disk.inspect(path).map(drop),
        |disk, path| disk.list(path.parent().unwrap()).map(drop),
    ];
    for call in calls {
        disk.fail_read_after(Some(0));
        eio(call(&disk, &dir.join("a")).unwrap_err());
        call(&disk, &dir.join("a")).unwrap();
    }
    disk.fail_read_after(Some(0));
    disk.crash(Crash::Process, &mut Random::new(1));
    assert!(!disk.read_failed());
    assert_eq!(file.size().unwrap(), 4);
}
