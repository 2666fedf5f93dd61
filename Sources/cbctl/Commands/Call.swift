import ArgumentParser
import CloudburstClient
import CloudburstValues
import ClusterModel

struct Call: ClusterCommand {
  static let configuration = CommandConfiguration(
    abstract: "Call a function and print its result.",
    discussion: """
      One word per parameter: a JSON value, ref:KEY for a stored value, or, for String and bytes
      parameters, @FILE or - (standard input) as raw bytes.

      Examples:
        cbctl call square 3
        cbctl call hello '"Ann"'
        cbctl call square ref:n
        cbctl call word-count @book.txt
        cbctl call visit home --level cached    does not wait for the store
        cbctl call --async square 5        prints a future's id, for: cbctl result ID
      """)

  @OptionGroup var cluster: ClusterOptions
  @OptionGroup var policy: PolicyOptions
  @Argument(help: "The function's name.") var function: String
  @Argument(help: "One JSON value, ref:KEY, @FILE or - per parameter.")
  var inputs: [String] = []
  @Flag(name: .customLong("async"), help: "Return at once with the id of a future.")
  var isAsync = false
  @Option(help: "Also store the result under this key (with --async).")
  var storeAs: String?

  func validate() throws {
    guard storeAs == nil || isAsync else {
      throw ValidationError("--store-as goes with --async")
    }
  }

  func check() throws {
    for word in inputs { try InputWord.check(word) }
  }

  func run(on cloud: CloudburstClient) async throws -> Output {
    let words = try inputs.map(InputWord.init)
    try await checkRawInputs(words, on: cloud)
    try await InputWord.learnVersions(of: words, with: cloud)
    let options = policy.options(within: cluster.timeout?.duration)
    if isAsync {
      let future = try await cloud.submitEncoded(
        function, arguments: words.map(\.argument), storingResultAs: storeAs, options: options)
      return Output(
        json: .map(["future": .string(future.id)]), text: "submitted \(function): \(future.id)")
    }
    let value = try await cloud.callEncoded(
      function, arguments: words.map(\.argument), options: options)
    return try Output(result: value)
  }

  /// Raw bytes fit only parameters of text or bytes; said before anything is sent.
  private func checkRawInputs(_ words: [InputWord], on cloud: CloudburstClient) async throws {
    let raw = words.enumerated().compactMap { index, word -> (Int, String)? in
      if case .raw(_, let source) = word { (index, source) } else { nil }
    }
    guard !raw.isEmpty else { return }
    let found = try await cloud.functions(withPrefix: function).first { $0.name == function }
    guard let found, let signature = FunctionSignature(parsing: found.signature) else { return }
    for (index, source) in raw
    where index < signature.parameters.count && !signature.acceptsRaw(at: index) {
      throw Failure(
        .badArgument,
        "parameter \(index + 1) of \(function) is \(signature.parameters[index]); the raw bytes of "
          + "\(source) fit String and bytes only", hint: "cbctl functions \(function)")
    }
  }
}

extension Output {
  /// A function's result: JSON where it has one, raw bytes as they are.
  init(result: EncodedValue) throws {
    guard result.encoding != .raw else {
      self.init(json: .string(Base64Text.encode(result.bytes)), text: "")
      raw = result.bytes
      return
    }
    let value: AnyValue = try result.decode()
    self.init(json: value, text: value.plainText)
    if case .bytes(let bytes) = value { raw = bytes }
    if case .null = value { text = "" }
  }
}

/// Raw bytes in JSON output.
enum Base64Text {
  static func encode(_ bytes: [UInt8]) -> String {
    // A bytes value prints in JSON as base64 text; take the quotes off.
    String(AnyValue.bytes(bytes).jsonText.dropFirst().dropLast())
  }
}

struct ResultCommand: ClusterCommand {
  static let configuration = CommandConfiguration(
    commandName: "result",
    abstract: "Wait for the result of a call made with --async, and print it.",
    discussion: """
      Results are kept for 24 hours. --timeout says how long to wait (default 30s).

      Examples:
        cbctl result 4be1c0f2a7d94c2f8a5be0d1f3a2c4e6
        cbctl result $(cbctl call --async square 5 | awk '{print $NF}')
      """)

  @OptionGroup var cluster: ClusterOptions
  @Argument(help: "The future's id, as printed by cbctl call --async.") var id: String

  func run(on cloud: CloudburstClient) async throws -> Output {
    let future: Future<AnyValue> = try cloud.future(id: id)
    return try Output(
      result: try await future.encodedValue(within: cluster.timeout?.duration ?? .seconds(30)))
  }
}
