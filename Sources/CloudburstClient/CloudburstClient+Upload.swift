import ClusterModel
import ContentHash
import ControlProtocol
import FoundationEssentials
import Platform

/// What an upload did.
public struct UploadReport: Hashable, Sendable {
  public let bundle: String
  /// The first 12 hexadecimal digits of the SHA-256 of the bytes.
  public let version: String
  public let functions: [FunctionDescription]
  /// These very bytes were registered and current already: nothing was done.
  public let isUnchanged: Bool
  /// Functions whose version this upload replaced.
  public let replaced: [String]

  init(_ result: Cloudburst_Control_UploadResult, isUnchanged: Bool) {
    bundle = result.bundle
    version = ContentDigest(Bytes(result.digest))?.short ?? ""
    functions = result.functions.map(FunctionDescription.init)
    self.isUnchanged = isUnchanged || result.unchanged
    replaced = result.replaced
  }
}

/// How far an upload has come.
public struct UploadProgress: Hashable, Sendable {
  public let bytesSent: Int
  /// What has to be sent: less than the file where an upload is taken up again.
  public let bytesTotal: Int
}

extension CloudburstClient {
  /// Uploads a bundle (the shared object that `swift build` made) and registers its functions.
  ///
  /// Bytes that are registered already are not sent again, and an upload that was interrupted goes
  /// on where it stopped. Chunks of 1 MiB go one after the other, so that other requests of this
  /// client get between them.
  ///
  /// - Throws: `fileNotFound`; `bundleInvalid` with what is wrong with it.
  public func upload(
    path: String, progress: @Sendable (UploadProgress) -> Void = { _ in }
  ) async throws -> UploadReport {
    let bytes: [UInt8]
    do throws(PlatformError) {
      bytes = try Files.contents(of: path, bytesMax: Limits.valueBytesMax)
    } catch {
      throw CloudburstError(.fileNotFound, "\(path) cannot be read: \(error)")
    }
    let name = path.split(separator: "/").last.map(String.init) ?? path
    return try await upload(bytes, named: name, progress: progress)
  }

  /// As `upload(path:)`, of bytes. - Parameter name: for messages.
  public func upload(
    _ bytes: [UInt8], named name: String, progress: @Sendable (UploadProgress) -> Void = { _ in }
  ) async throws -> UploadReport {
    guard (1...Limits.valueBytesMax).contains(bytes.count) else {
      throw CloudburstError(
        .bundleInvalid,
        "\(name) has \(bytes.count) bytes; a bundle has 1 to \(Limits.valueBytesMax)")
    }
    let digest = Data(ContentHash.digest(of: bytes[...]).bytes)
    let state = try await control {
      $0.uploadBegin.digest = digest
      $0.uploadBegin.byteCount = UInt64(bytes.count)
      $0.uploadBegin.fileName = name
    }.uploadState
    if state.complete { return UploadReport(state.result, isUnchanged: true) }
    try await send(bytes, digest, present: state.present, progress)
    do {
      // The cluster loads it in a spare executor first, which takes as long as its set-up does.
      let answer = try await control(within: configuration.callTimeLimit) {
        $0.uploadCommit.digest = digest
      }
      return UploadReport(answer.uploadResult, isUnchanged: false)
    } catch let error as CloudburstError where error.code == .bundleInvalid {
      // The cluster knows the file by its digest only.
      var failure = error.failure
      failure.message = "\(name): \(failure.message)"
      throw CloudburstError(failure)
    }
  }

  private func send(
    _ bytes: [UInt8], _ digest: Data, present: [UInt32],
    _ progress: @Sendable (UploadProgress) -> Void
  ) async throws {
    let chunks = stride(from: 0, to: bytes.count, by: Limits.chunkBytesMax).enumerated()
      .filter { !present.contains(UInt32($0.offset)) }
      .map { ($0.offset, bytes[$0.element..<min($0.element + Limits.chunkBytesMax, bytes.count)]) }
    let total = chunks.reduce(0) { $0 + $1.1.count }
    var sent = 0
    progress(UploadProgress(bytesSent: 0, bytesTotal: total))
    for (number, chunk) in chunks {
      _ = try await control {
        $0.uploadChunk.digest = digest
        $0.uploadChunk.number = UInt32(number)
        $0.uploadChunk.data = Data(chunk)
      }
      sent += chunk.count
      progress(UploadProgress(bytesSent: sent, bytesTotal: total))
    }
  }
}
