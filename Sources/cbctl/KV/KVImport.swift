import ArgumentParser
import CloudburstClient
import CloudburstValues
import ClusterModel
import Glibc

struct KVImport: ClusterCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Merge what `cbctl kv export` wrote into the store.",
    discussion: """
      Reads JSON lines from a file or standard input. Values join what their keys hold: an import may be
      repeated, and what was written later than the export stays. So a key deleted after the export
      stays deleted if it held a plain value; --as-new writes plain values as if they were put now.

      Examples:
        cbctl kv import backup.jsonl
        gunzip -c visits.jsonl.gz | cbctl kv import -
        cbctl kv import backup.jsonl --as-new
      """)

  @OptionGroup var cluster: ClusterOptions
  @Argument(help: "The file, or - for standard input.") var file = "-"
  @Flag(help: "Write plain values as new: above whatever is there, deleted keys too.")
  var asNew = false
  @Option(help: "When a write counts as done: accepted, replicated or durable.")
  var level: LevelWord?

  /// In one request.
  static let recordsPerRequest = 256
  static let bytesPerRequest = 1 << 20

  func run(on cloud: CloudburstClient) async throws -> Output {
    var lines = try LineReader(file)
    var importer = Importer(cloud: cloud, level: level?.level)
    var number = 0
    while let line = try lines.next() {
      number += 1
      if line.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\r") }) { continue }
      do {
        var entry = try RecordLine(json: line)
        if asNew { entry.forgetStamp() }
        try await importer.add(entry)
      } catch let failure as Failure {
        var failure = failure
        failure.message = "line \(number) cannot be imported: \(failure.message)"
        failure.hint = "\(importer.progress.count) keys are imported; a second import does no harm"
        throw failure
      }
    }
    try await importer.flush()
    return importer.output
  }

  func runPrinting() async throws {
    let output = try await failing {
      let cloud = try await cluster.connect(longRunning: true)
      let output = try await run(on: cloud)
      await cloud.close()
      return output
    }
    output.write(cluster.output)
    if output.exitCode != 0 { Glibc.exit(output.exitCode) }
  }
}

/// Gathers records into requests and counts what became of them.
private struct Importer {
  let cloud: CloudburstClient
  let level: CloudburstClient.WriteLevel?
  var progress = Progress("imported")
  private var waiting: [RecordLine] = []
  private var waitingBytes = 0
  /// Plain values older than what their keys hold, or than their deletion.
  private var outdated = 0
  private var refused: [(key: String, failure: CloudburstError)] = []
  private var refusedCount = 0

  static let refusalsShownMax = 10

  init(cloud: CloudburstClient, level: CloudburstClient.WriteLevel?) {
    self.cloud = cloud
    self.level = level
  }

  mutating func add(_ line: RecordLine) async throws {
    waiting.append(line)
    waitingBytes += line.byteCount
    if waiting.count >= KVImport.recordsPerRequest || waitingBytes >= KVImport.bytesPerRequest {
      try await flush()
    }
  }

  mutating func flush() async throws {
    guard !waiting.isEmpty else { return }
    let batch = waiting
    (waiting, waitingBytes) = ([], 0)
    let outcomes = try await cloud.merge(
      batch.map { (key: $0.key, record: $0.record) }, level: level)
    for (line, outcome) in zip(batch, outcomes) {
      switch outcome {
      case .success(let version):
        progress.count += 1
        if line.isOutdated(by: version) { outdated += 1 }
      case .failure(let failure):
        refusedCount += 1
        if refused.count < Self.refusalsShownMax { refused.append((line.key, failure)) }
      }
    }
    progress.tell()
  }

  var output: Output {
    progress.finish()
    var output = Output(
      json: .map([
        "imported": .integer(Int64(progress.count)), "outdated": .integer(Int64(outdated)),
        "refused": .integer(Int64(refusedCount)),
      ]), text: "")
    if outdated > 0 {
      output.notes.append(
        "\(outdated) of them hold something later, or were deleted later: --as-new overwrites that")
    }
    for (key, failure) in refused {
      output.notes.append(
        "refused: \(key): \(failure.failure.code.name): \(failure.failure.message)")
    }
    if refusedCount > refused.count {
      output.notes.append("and \(refusedCount - refused.count) more were refused")
    }
    if let first = refused.first { output.exitCode = first.failure.failure.code.exitCode }
    return output
  }
}
