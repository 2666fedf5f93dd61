// What an author needs besides the sugar: the C types of the entry point, and values.
@_exported public import CCloudburst
@_exported public import CloudburstValues
