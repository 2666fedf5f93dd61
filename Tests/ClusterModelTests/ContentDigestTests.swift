import ClusterModel
import ContentHash
import Testing

@Suite struct ContentDigestTests {
  /// FIPS 180-4 examples.
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ])
  func publishedVectorsHold(text: String, hex: String) {
    #expect(ContentHash.digest(of: Bytes(text: text)).hex == hex)
  }

  @Test func partsGiveTheDigestOfTheWhole() {
    let bytes = Bytes((0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7) })
    var hash = ContentHash()
    for start in stride(from: 0, to: bytes.count, by: 777) {
      hash.update(bytes[start..<min(start + 777, bytes.count)])
    }
    hash.update([])
    #expect(hash.digest == ContentHash.digest(of: bytes))
  }

  @Test func readingTheDigestDoesNotEndTheStream() {
    var hash = ContentHash()
    hash.update(Bytes(text: "ab"))
    let early = hash.digest
    hash.update(Bytes(text: "c"))
    #expect(early == ContentHash.digest(of: Bytes(text: "ab")))
    #expect(hash.digest == ContentHash.digest(of: Bytes(text: "abc")))
  }

  @Test func hexSurvivesARoundTrip() throws {
    let digest = ContentHash.digest(of: Bytes(text: "abc"))
    #expect(ContentDigest(hex: digest.hex) == digest)
    #expect(ContentDigest(hex: digest.hex.uppercased()) == digest)
    #expect(ContentDigest(digest.bytes) == digest)
    #expect(digest.short == "ba7816bf8f01")
  }

  @Test(arguments: [
    "", "ab", String(repeating: "0", count: 63), String(repeating: "0", count: 65),
    String(repeating: "0", count: 63) + "g", String(repeating: "+1", count: 32),
    String(repeating: "é", count: 32),
  ])
  func whatIsNotSixtyFourDigitsIsRefused(text: String) {
    #expect(ContentDigest(hex: text) == nil)
  }

  @Test func onlyThirtyTwoBytesAreADigest() {
    #expect(ContentDigest([UInt8](repeating: 0, count: 31)[...]) == nil)
    #expect(ContentDigest([UInt8](repeating: 0, count: 33)[...]) == nil)
  }
}
