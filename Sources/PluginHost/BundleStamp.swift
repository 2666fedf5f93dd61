import CCloudburst
import Platform

/// What a bundle says of itself before any of its code runs.
package struct BundleStamp: Hashable, Sendable {
  package let abiVersion: UInt32
  /// The compiler of the bundle's code.
  package let toolchain: String
  package let sdkVersion: String
  /// Whether it needs the Swift runtime, which it then shares with the host.
  package let needsSwift: Bool

  /// A larger file is no bundle.
  package static let fileBytesMax = 256 << 20

  /// The toolchain that Swift bundles must be built with: this program's own.
  package static let hostToolchain = String(cString: cb_toolchain())

  /// Reads and checks the stamp of a file; runs nothing of it.
  package init(ofFileAt path: String) throws(BundleError) {
    let bytes: [UInt8]
    do throws(PlatformError) {
      bytes = try Files.contents(of: path, bytesMax: Self.fileBytesMax)
    } catch {
      throw BundleError(
        .notReadable, path: path, expected: "a readable file", found: error.description)
    }
    try self.init(ofFile: bytes, path: path)
  }

  package init(ofFile bytes: [UInt8], path: String) throws(BundleError) {
    let file = try ELFFile(bytes, path: path)
    guard try file.symbol("cloudburst_bundle") != nil else {
      throw Self.missing(CB_ENTRY_SYMBOL, path)
    }
    guard let place = try file.symbol("cloudburst_stamp") else {
      throw Self.missing(CB_STAMP_SYMBOL, path)
    }
    let needsSwift = try file.neededLibraries().contains("libswiftCore.so")
    try self.init(stamp: Array(file.contents(place)), needsSwift: needsSwift, path: path)
    try check(path)
  }

  private init(stamp: [UInt8], needsSwift: Bool, path: String) throws(BundleError) {
    let magic = Array(CB_STAMP_MAGIC.utf8)
    guard stamp.count >= 24, stamp.starts(with: magic) else {
      throw BundleError(
        .badStamp, path: path, expected: "\(CB_STAMP_MAGIC) and a version",
        found: "\(stamp.count) other bytes")
    }
    abiVersion = Self.number(stamp, at: 20)
    let layout = MemoryLayout<cb_stamp>.self
    // Fields are only appended, so those of version 1 are where they were, whatever follows them.
    guard stamp.count >= layout.size, Self.number(stamp, at: 16) >= UInt32(layout.size) else {
      throw BundleError(
        .badStamp, path: path, expected: "\(layout.size) bytes of stamp",
        found: "\(stamp.count)")
    }
    let sdkStart = MemoryLayout<cb_stamp>.offset(of: \.sdk_version) ?? 0
    let toolchainStart = MemoryLayout<cb_stamp>.offset(of: \.toolchain) ?? 0
    toolchain = Self.text(stamp[toolchainStart..<sdkStart])
    sdkVersion = Self.text(stamp[sdkStart..<layout.size])
    self.needsSwift = needsSwift
  }

  private func check(_ path: String) throws(BundleError) {
    let range = CB_ABI_VERSION_MIN...CB_ABI_VERSION
    guard range.contains(abiVersion) else {
      throw BundleError(
        abiVersion < range.lowerBound ? .abiTooOld : .abiTooNew, path: path,
        expected: "ABI version \(range.lowerBound) to \(range.upperBound)", found: "\(abiVersion)")
    }
    guard !needsSwift || toolchain == Self.hostToolchain else {
      throw BundleError(
        .toolchainMismatch, path: path, expected: "Swift code of \(Self.hostToolchain)",
        found: toolchain)
    }
  }

  private static func missing(_ symbol: String, _ path: String) -> BundleError {
    BundleError(
      .missingSymbol, path: path, expected: "the exported symbol \(symbol)", found: "none")
  }

  private static func number(_ bytes: [UInt8], at offset: Int) -> UInt32 {
    (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << (8 * $1) }
  }

  private static func text(_ bytes: ArraySlice<UInt8>) -> String {
    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }
}
