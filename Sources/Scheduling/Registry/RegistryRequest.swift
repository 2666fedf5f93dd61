package import ClusterModel
package import WireProtocol

/// What tools ask of the registry; the control protocol's messages as plain values.
package enum RegistryRequest: Equatable, Sendable {
  case uploadBegin(digest: Bytes, byteCount: UInt64, fileName: String)
  case uploadChunk(digest: Bytes, number: UInt32, data: Bytes)
  case uploadCommit(digest: Bytes)
  case listFunctions(prefix: String)
  case putDAG(DAGRecord)
  case deleteDAG(String)
  case listDAGs(prefix: String)
}

package enum RegistryAnswer: Equatable, Sendable {
  case failure(Failure)
  /// These bytes are registered and current.
  case uploadComplete(UploadResult)
  /// Chunks the store holds already, ascending.
  case uploadOpen(present: [UInt32])
  case uploaded(UploadResult)
  case functions([FunctionRecord])
  case dags([DAGRecord])
  case done
}

package struct UploadResult: Equatable, Sendable {
  package var bundle = ""
  package var digest: Bytes = []
  package var functions: [FunctionRecord] = []
  package var unchanged = false
  /// Functions whose version this upload replaced, and those that are gone with it.
  package var replaced: [String] = []

  package init() {}
}
