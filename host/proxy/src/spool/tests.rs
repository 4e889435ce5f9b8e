//! What a spool keeps where, and what it counts.

use super::*;

fn spooler(memory_each: usize, memory_total: usize) -> Arc<Spooler> {
    let room = Room {
        memory_each,
        memory_total,
        in_flight: 1 << 30,
        in_flight_per_client: 1 << 30,
    };
    Spooler::new(std::env::temp_dir(), room)
}

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

async fn spooled(spooler: &Arc<Spooler>, chunks: &[&[u8]]) -> Spooled {
    let mut spool = spooler.open(CLIENT);
    for chunk in chunks {
        spool.push(chunk).await.unwrap();
    }
    spool.finish().await.unwrap()
}

#[tokio::test]
async fn small_stays_in_memory_and_large_goes_to_a_file() {
    let spooler = spooler(10, 100);
    let small = spooled(&spooler, &[b"12345", b"67890"]).await;
    assert!(matches!(&small.content, Content::Memory(octets) if &octets[..] == b"1234567890"));
    let large = spooled(&spooler, &[b"12345", b"678901"]).await;
    assert!(matches!(large.content, Content::File(_, 11)));
    assert_eq!(&large.content.read_at(0, 99).unwrap()[..], b"12345678901");
}

#[tokio::test]
async fn memory_is_bounded_over_all_messages_and_given_back() {
    let spooler = spooler(10, 15);
    let first = spooled(&spooler, &[b"1234567890"]).await;
    let second = spooled(&spooler, &[b"123456"]).await;
    assert!(matches!(second.content, Content::File(..)));
    assert_eq!(spooler.now(), (10, 1));
    drop((first, second));
    assert_eq!(spooler.now(), (0, 0));
    assert!(matches!(
        spooled(&spooler, &[b"123456"]).await.content,
        Content::Memory(_)
    ));
}

#[tokio::test]
async fn a_message_in_a_file_takes_little_memory() {
    for (memory_total, block) in [(1, SMALL_BLOCK), (4 * BLOCK, BLOCK)] {
        let mut spool = spooler(1, memory_total).open(CLIENT);
        for _ in 0..256 {
            spool.push(&[b'x'; 4096]).await.unwrap();
            assert!(spool.waiting.capacity() <= block);
        }
    }
}

#[tokio::test]
async fn large_blocks_are_counted_and_leave_half_of_the_memory() {
    let spooler = spooler(1, 8 * BLOCK);
    let mut spools: Vec<Spool> = (0..3).map(|_| spooler.open(CLIENT)).collect();
    for spool in &mut spools {
        spool.push(b"12").await.unwrap();
    }
    let blocks: Vec<usize> = spools.iter().map(|spool| spool.block).collect();
    assert_eq!(blocks, [BLOCK, BLOCK, SMALL_BLOCK]);
    assert_eq!(spooler.now(), (4 * BLOCK, 3));
    let whole = spools.pop().unwrap().finish().await.unwrap();
    let other = spools.pop().unwrap().finish().await.unwrap();
    assert_eq!(spooler.now(), (2 * BLOCK, 3));
    drop((spools, whole, other));
    assert_eq!(spooler.now(), (0, 0));
}

#[tokio::test]
async fn octets_are_the_same_in_blocks_of_any_size() {
    let octets: Vec<u8> = (0..3 * BLOCK + 77).map(|n| (n % 251) as u8).collect();
    for (each, total) in [
        (1, 1),
        (1, 8 * BLOCK),
        (BLOCK, 8 * BLOCK),
        (2 * BLOCK + 9, 8 * BLOCK),
    ] {
        for size in [1000, 65_536, BLOCK, octets.len()] {
            let chunks: Vec<&[u8]> = octets.chunks(size).collect();
            let spooled = spooled(&spooler(each, total), &chunks).await;
            assert!(matches!(spooled.content, Content::File(..)));
            let read = spooled.content.read_at(0, usize::MAX).unwrap();
            assert!(read == octets, "{each} of {total}, pieces of {size}");
        }
    }
}

/// Whatever a message had in memory before, with or without room for large blocks.
#[tokio::test]
async fn what_had_a_large_buffer_gives_it_back_with_the_file() {
    for each in [33 << 10, 40 << 10, 256 << 10, 300 << 10, 600 << 10] {
        for (total, block) in [(each, SMALL_BLOCK), (each + 4 * BLOCK, BLOCK)] {
            let spooler = spooler(each, total);
            let mut spool = spooler.open(CLIENT);
            while spool.file.is_none() {
                spool.push(&[b'x'; 4000]).await.unwrap();
            }
            for _ in 0..200 {
                spool.push(&[b'x'; 4000]).await.unwrap();
            }
            let block = block.max(spool.block);
            assert!(spool.waiting.capacity() <= block, "{each}: {spool:?}");
            let other = spool.written().await.unwrap();
            assert!(other.capacity() <= block, "{each}: {}", other.capacity());
        }
    }
}

#[tokio::test]
async fn the_buffer_is_counted_and_not_only_what_is_in_it() {
    let spooler = spooler(BLOCK, 2 * BLOCK);
    let chunk = [b'x'; SMALL_BLOCK + 1];
    let two = [
        spooled(&spooler, &[&chunk]).await,
        spooled(&spooler, &[&chunk]).await,
    ];
    assert_eq!(spooler.now(), (2 * BLOCK, 0));
    let third = spooled(&spooler, &[&chunk]).await;
    assert!(matches!(third.content, Content::File(..)));
    drop((two, third));
    assert_eq!(spooler.now(), (0, 0));
}

/// Behind the block that could not be written, and at the latest before the message is whole.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_could_not_be_written_is_told_before_the_end() {
    let full = || {
        Some(Arc::new(
            File::options().write(true).open("/dev/full").unwrap(),
        ))
    };
    let mut spool = spooler(1, 1).open(CLIENT);
    spool.push(b"12").await.unwrap();
    spool.file = full();
    let pushed = async {
        for _ in 0..2 {
            spool.push(&[b'x'; SMALL_BLOCK]).await?;
        }
        io::Result::Ok(())
    };
    assert!(is_full(&pushed.await.unwrap_err()));
    let mut spool = spooler(1, 1).open(CLIENT);
    spool.push(b"12").await.unwrap();
    spool.file = full();
    spool.push(b"the last octets").await.unwrap();
    assert!(is_full(&spool.finish().await.unwrap_err()));
}

#[tokio::test]
async fn the_head_is_read_from_memory_and_from_a_file() {
    for each in [1, 99] {
        let mut spool = spooler(each, 99).open(CLIENT);
        spool.push(b"A: 1\r\n\r\nbo").await.unwrap();
        assert_eq!(&spool.head(8).await.unwrap()[..], b"A: 1\r\n\r\n");
        spool.push(b"dy").await.unwrap();
        let whole = spool.finish().await.unwrap();
        assert_eq!(
            &whole.content.read_at(0, 99).unwrap()[..],
            b"A: 1\r\n\r\nbody"
        );
    }
}

#[tokio::test]
async fn blocks_are_filed_in_order() {
    let spooler = spooler(1, 1);
    let block: Vec<u8> = (0..BLOCK + 7).map(|n| (n % 251) as u8).collect();
    let spooled = spooled(&spooler, &[&block, b"tail"]).await;
    let read = spooled.content.read_at(0, BLOCK + 99).unwrap();
    assert_eq!(read.len(), BLOCK + 11);
    assert_eq!(&read[..BLOCK + 7], &block[..]);
    assert_eq!(&read[BLOCK + 7..], b"tail");
}

#[tokio::test]
async fn what_a_slow_disk_still_writes_is_counted_when_its_client_is_gone() {
    let spooler = spooler(1, 4 * BLOCK);
    let mut spool = spooler.open(CLIENT);
    spool.push(&vec![b'x'; 2 * BLOCK]).await.unwrap();
    spool.written().await.unwrap();
    let counted = (spooler.now(), spooler.in_flight());
    let (disk, stands_still) = std::sync::mpsc::channel::<()>();
    spool.writing = Some(on_disk(move || {
        stands_still.recv().map_err(io::Error::other)?;
        Ok(BytesMut::new())
    }));
    drop(spool);
    tokio::task::yield_now().await;
    assert_eq!((spooler.now(), spooler.in_flight()), counted);
    disk.send(()).unwrap();
    while spooler.in_flight() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(spooler.now(), (0, 0));
}

#[tokio::test]
async fn a_spool_directory_that_is_gone_is_an_error() {
    let nowhere = "/nowhere/at/all".into();
    let spooler = spooler(1, 1).renewed(nowhere, spooler(1, 1).room);
    assert!(spooler.open(CLIENT).push(b"12").await.is_err());
}

/// Room for so many octets in flight, of all and of one client.
fn bounded(in_flight: u64, in_flight_per_client: u64) -> Room {
    Room {
        memory_each: 4,
        memory_total: 99,
        in_flight,
        in_flight_per_client,
    }
}

#[tokio::test]
async fn octets_in_flight_are_bounded_wherever_they_are_and_given_back() {
    let room = bounded(10, 10);
    let spooler = Spooler::new(std::env::temp_dir(), room);
    let (mut first, mut second) = (spooler.open(CLIENT), spooler.open(OTHER));
    first.push(b"123456").await.unwrap();
    assert_eq!(spooler.is_crowded(OTHER, 4), None);
    assert_eq!(spooler.is_crowded(OTHER, 5), Some(Crowded::All));
    second.push(b"1234").await.unwrap();
    let full = second.push(b"5").await.unwrap_err();
    assert!(
        is_full(&full) && full.to_string().contains("`in-flight`"),
        "{full}"
    );
    drop(second);
    let whole = first.finish().await.unwrap();
    assert_eq!(spooler.in_flight(), 6);
    // Another configuration counts what waits under this one.
    let next = spooler.renewed(
        std::env::temp_dir(),
        Room {
            in_flight: 7,
            ..room
        },
    );
    assert_eq!(next.is_crowded(OTHER, 1), None);
    assert_eq!(next.is_crowded(OTHER, 2), Some(Crowded::All));
    drop(whole);
    assert_eq!(next.in_flight(), 0);
}

#[tokio::test]
async fn one_client_has_its_share_of_what_is_in_flight() {
    let room = bounded(10, 6);
    let spooler = Spooler::new(std::env::temp_dir(), room);
    let (mut first, mut second) = (spooler.open(CLIENT), spooler.open(CLIENT));
    first.push(b"1234").await.unwrap();
    second.push(b"12").await.unwrap();
    assert_eq!(spooler.is_crowded(CLIENT, 1), Some(Crowded::Client));
    let full = second.push(b"3").await.unwrap_err();
    assert!(
        is_full(&full) && full.to_string().contains("`in-flight-per-client`"),
        "{full}"
    );
    assert_eq!(spooler.is_crowded(OTHER, 3), None);
    spooler.open(OTHER).push(b"123").await.unwrap();
    drop((first, second));
    assert_eq!(spooler.is_crowded(CLIENT, 6), None);
    assert_eq!(spooler.in_flight(), 0);
}
