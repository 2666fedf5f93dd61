/// A shared object as bytes: which symbols it exports and which libraries it needs.
///
/// Total over arbitrary bytes: everything is checked against the file's size before it is read.
struct ELFFile {
  private struct Section {
    var type: UInt32
    var link: Int
    var address: UInt64
    var range: Range<Int>
  }
  private enum SectionType {
    static let dynamic: UInt32 = 6
    static let noBits: UInt32 = 8
    static let dynamicSymbols: UInt32 = 11
  }
  /// A file may name 65,535 sections; real ones have about thirty.
  private static let sectionsMax = 4096
  private static let sectionHeaderSize = 64
  private static let symbolSize = 24

  private let bytes: [UInt8]
  private let path: String
  private var sections: [Section] = []

  init(_ bytes: [UInt8], path: String) throws(BundleError) {
    self.bytes = bytes
    self.path = path
    try checkHeader()
    try readSections()
  }

  /// The bytes of an exported symbol that is data in the file; its code if it is a function.
  ///
  /// - Returns: `nil` if the file exports no such symbol.
  func symbol(_ name: StaticString) throws(BundleError) -> Range<Int>? {
    for table in sections where table.type == SectionType.dynamicSymbols {
      var entry = table.range.lowerBound
      while entry + Self.symbolSize <= table.range.upperBound {
        defer { entry += Self.symbolSize }
        let offset = Int(try number(UInt32.self, at: entry))
        guard holds(name, at: offset, of: table) else { continue }
        return try location(ofSymbolAt: entry)
      }
    }
    return nil
  }

  /// The libraries that the file asks the loader for.
  func neededLibraries() throws(BundleError) -> [String] {
    let needed: Int64 = 1
    var names: [String] = []
    for table in sections where table.type == SectionType.dynamic {
      var entry = table.range.lowerBound
      while entry + 16 <= table.range.upperBound {
        defer { entry += 16 }
        guard try number(Int64.self, at: entry) == needed else { continue }
        let offset = Int(truncatingIfNeeded: try number(UInt64.self, at: entry + 8))
        if let name = string(at: offset, of: table) { names.append(name) }
      }
    }
    return names
  }

  func contents(_ range: Range<Int>) -> ArraySlice<UInt8> { bytes[range] }
}

extension ELFFile {
  private mutating func checkHeader() throws(BundleError) {
    guard bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46]) else {
      let head = bytes.prefix(4).map { String($0, radix: 16) }.joined(separator: " ")
      let found = bytes.isEmpty ? "an empty file" : "a file that starts with \(head)"
      throw BundleError(.notELF, path: path, expected: "an ELF shared object", found: found)
    }
    guard bytes.count >= 64 else { throw truncated("its 64 bytes of header") }
    guard bytes[4] == 2, bytes[5] == 1 else {
      throw BundleError(
        .wrongArchitecture, path: path, expected: "64 bits, little-endian",
        found: "ELF class \(bytes[4]), data encoding \(bytes[5])")
    }
    let machine = try number(UInt16.self, at: 18)
    guard machine == Self.hostMachine else {
      throw BundleError(
        .wrongArchitecture, path: path, expected: Self.machineName(Self.hostMachine),
        found: Self.machineName(machine))
    }
    let type = try number(UInt16.self, at: 16)
    guard type == 3 else {
      throw BundleError(
        .notELF, path: path, expected: "a shared object (ELF type 3)", found: "ELF type \(type)")
    }
  }

  private mutating func readSections() throws(BundleError) {
    let start = try number(UInt64.self, at: 0x28)
    let size = Int(try number(UInt16.self, at: 0x3A))
    let count = Int(try number(UInt16.self, at: 0x3C))
    guard count > 0, count <= Self.sectionsMax, size >= Self.sectionHeaderSize else {
      throw BundleError(
        .notELF, path: path, expected: "section headers",
        found: "\(count) of \(size) bytes; was the file stripped of them?")
    }
    guard let first = Int(exactly: start), first <= bytes.count,
      size * count <= bytes.count - first
    else { throw truncated("its section headers") }
    for index in 0..<count { sections.append(try section(at: first + index * size)) }
  }

  private func section(at offset: Int) throws(BundleError) -> Section {
    let type = try number(UInt32.self, at: offset + 4)
    let start = try number(UInt64.self, at: offset + 24)
    let size = try number(UInt64.self, at: offset + 32)
    let address = try number(UInt64.self, at: offset + 16)
    let link = Int(try number(UInt32.self, at: offset + 40))
    // Such a section is zeroed memory and has no bytes in the file, whatever it says.
    if type == SectionType.noBits {
      return Section(type: type, link: link, address: address, range: 0..<0)
    }
    guard let start = Int(exactly: start), let size = Int(exactly: size), start <= bytes.count,
      size <= bytes.count - start
    else { throw truncated("a section of \(size) bytes at \(start)") }
    return Section(type: type, link: link, address: address, range: start..<(start + size))
  }

  /// Where in the file a symbol lies; `nil` for one that is only asked for, not defined.
  private func location(ofSymbolAt entry: Int) throws(BundleError) -> Range<Int>? {
    let index = Int(try number(UInt16.self, at: entry + 6))
    guard index != 0, sections.indices.contains(index) else { return nil }
    let section = sections[index]
    let value = try number(UInt64.self, at: entry + 8)
    let size = try number(UInt64.self, at: entry + 16)
    guard value >= section.address, let offset = Int(exactly: value - section.address),
      let size = Int(exactly: size), offset <= section.range.count,
      size <= section.range.count - offset
    else { throw truncated("a symbol of \(size) bytes") }
    let start = section.range.lowerBound + offset
    return start..<(start + size)
  }

  /// Whether a section's string table holds exactly this text there; compares without copying.
  private func holds(_ text: StaticString, at offset: Int, of section: Section) -> Bool {
    guard sections.indices.contains(section.link) else { return false }
    let table = sections[section.link].range
    let count = text.utf8CodeUnitCount
    guard offset >= 0, offset < table.count - count else { return false }
    let start = table.lowerBound + offset
    guard bytes[start + count] == 0 else { return false }
    return (0..<count).allSatisfy { bytes[start + $0] == text.utf8Start[$0] }
  }

  /// A NUL-terminated string of the table that a section links to.
  private func string(at offset: Int, of section: Section) -> String? {
    guard sections.indices.contains(section.link) else { return nil }
    let table = sections[section.link].range
    guard offset >= 0, offset < table.count else { return nil }
    let rest = bytes[(table.lowerBound + offset)..<table.upperBound]
    guard let end = rest.firstIndex(of: 0) else { return nil }
    return String(decoding: rest[..<end], as: UTF8.self)
  }

  private func number<T: FixedWidthInteger & BitwiseCopyable>(
    _ type: T.Type, at offset: Int
  ) throws(BundleError) -> T {
    guard offset >= 0, offset <= bytes.count - MemoryLayout<T>.size else {
      throw truncated("\(MemoryLayout<T>.size) bytes at \(offset)")
    }
    return bytes.withUnsafeBytes {
      T(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: T.self))
    }
  }

  private func truncated(_ what: String) -> BundleError {
    BundleError(.truncated, path: path, expected: what, found: "a file of \(bytes.count) bytes")
  }

  #if arch(x86_64)
    private static let hostMachine: UInt16 = 62
  #elseif arch(arm64)
    private static let hostMachine: UInt16 = 183
  #endif

  private static func machineName(_ machine: UInt16) -> String {
    switch machine {
    case 62: "x86-64"
    case 183: "AArch64"
    default: "ELF machine \(machine)"
    }
  }
}
