import CloudburstTesting
import Foundation
import Testing

@testable import WordCount

struct WordCountTests {
  let harness = BundleHarness(bundle)

  @Test func wordsAreCountedWithoutRegardToCase() async throws {
    let report: Report = try await harness.call("word-count", "The cat, 'the' dog: it's THE end.")
    #expect(report.words == 7)
    #expect(report.distinct == 5)
    #expect(report.top.first == .init(word: "the", count: 3))
    #expect(report.top.map(\.word) == ["the", "cat", "dog", "end", "it's"])
  }

  @Test func aTextWithoutWordsHasNone() async throws {
    let report: Report = try await harness.call("word-count", " 12, '' -- ")
    #expect(report == Report(words: 0, distinct: 0, top: []))
  }

  @Test func theBookIsCounted() async throws {
    let book = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../a-real-book.txt")
    let text = try String(contentsOf: book, encoding: .utf8)
    let report: Report = try await harness.call("word-count", text)
    #expect(report.words > 90_000)
    #expect(report.top.map(\.word).prefix(2) == ["the", "of"])
  }
}
