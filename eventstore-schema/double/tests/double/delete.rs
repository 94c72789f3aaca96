//! Deleted streams: hidden ones and tombstones.

use eventstore::{
    DeleteStreamOptions, Error, ExpectedRevision, ReadStreamOptions, StreamPosition, TombstoneStreamOptions,
};

use super::given_empty;

#[tokio::test]
async fn a_soft_deleted_stream_reads_as_missing_and_goes_on_where_it_was() {
    let given = given_empty().await;
    given.append("a", ExpectedRevision::NoStream, &[1, 2, 3]).await.unwrap();
    let deleted = given.client.delete_stream("a", &DeleteStreamOptions::default()).await.unwrap().unwrap();
    let read = given.read_stream("a", &ReadStreamOptions::default()).await;
    assert!(matches!(read, Err(Error::ResourceNotFound)), "{read:?}");

    let again = given.append("a", ExpectedRevision::NoStream, &[4]).await.unwrap();
    assert_eq!(again.next_expected_version, 3);
    assert!(again.position > deleted);
    let read = given.read_stream("a", &ReadStreamOptions::default()).await.unwrap();
    assert_eq!(read.iter().map(|event| (event.id.as_u128(), event.revision)).collect::<Vec<_>>(), [(4, 3)]);
    let back = ReadStreamOptions::default().backwards().position(StreamPosition::End);
    assert_eq!(given.read_stream("a", &back).await.unwrap().len(), 1);

    let all = given.everything().await;
    let metadata: Vec<&[u8]> =
        all.iter().filter(|event| event.stream_id == "$$a").map(|event| event.data.as_ref()).collect();
    assert_eq!(metadata, [&br#"{"$tb":9223372036854775807}"#[..], br#"{"$tb":3}"#]);
    assert_eq!(all.iter().filter(|event| event.stream_id == "a").count(), 4, "what is hidden stays in $all");
}

#[tokio::test]
async fn a_soft_deleted_stream_takes_an_append_at_its_last_revision_but_does_not_exist() {
    let given = given_empty().await;
    given.append("a", ExpectedRevision::NoStream, &[1, 2]).await.unwrap();
    given.client.delete_stream("a", &DeleteStreamOptions::default()).await.unwrap();
    let exists = given.append("a", ExpectedRevision::StreamExists, &[3]).await;
    assert!(matches!(exists, Err(Error::ResourceDeleted)), "{exists:?}");
    assert_eq!(given.append("a", ExpectedRevision::Exact(1), &[3]).await.unwrap().next_expected_version, 2);
}

#[tokio::test]
async fn a_missing_stream_or_one_at_another_revision_is_not_deleted() {
    let given = given_empty().await;
    let missing = given.client.delete_stream("a", &DeleteStreamOptions::default()).await;
    assert!(matches!(missing, Err(Error::Grpc { .. })), "{missing:?}");
    given.append("a", ExpectedRevision::NoStream, &[1]).await.unwrap();
    let options = DeleteStreamOptions::default().expected_revision(ExpectedRevision::Exact(7));
    given.client.delete_stream("a", &options).await.unwrap_err();
    assert_eq!(given.ids("a").await, [1]);
}

#[tokio::test]
async fn a_tombstoned_stream_is_never_read_or_written_again() {
    let given = given_empty().await;
    given.append("a", ExpectedRevision::NoStream, &[1]).await.unwrap();
    given.client.tombstone_stream("a", &TombstoneStreamOptions::default()).await.unwrap().unwrap();
    let read = given.read_stream("a", &ReadStreamOptions::default()).await;
    assert!(matches!(read, Err(Error::ResourceDeleted)), "{read:?}");
    for expected in [ExpectedRevision::Any, ExpectedRevision::NoStream, ExpectedRevision::Exact(0)] {
        let outcome = given.append("a", expected, &[2]).await;
        assert!(matches!(outcome, Err(Error::ResourceDeleted)), "{outcome:?}");
    }
    let last = given.everything().await.pop().unwrap();
    assert_eq!((last.stream_id.as_str(), last.event_type.as_str()), ("a", "$streamDeleted"));
    assert_eq!(last.revision, i64::MAX as u64);
}
