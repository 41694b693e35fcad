// Package pulp puts a content platform into any Go program.
//
// A program that imports it can mirror, keep, version, publish and serve content (files,
// packages, images, whatever a plugin knows), with one directory on disk and nothing to
// operate. It speaks the REST API of Pulp 3, so that Pulp's clients drive it; its HTTP handler
// is package httpapi, its storage engine package sqlite, and a plugin is a value (see
// [Plugin]).
//
// Three things carry it, and each is of use alone:
//
//   - [Model], [Serializer] and [ViewSet] make a validated REST API of a Go struct.
//   - [Task] is work that runs later, in a queue that lies in the same file as the data.
//   - A [Reservation] is what a task needs for itself: [Exclusive] or [Shared] with others.
//     It is a row, written in the transaction that writes the task, so that no two tasks ever
//     work on the same resource at once, whatever crashes when.
//
// # One flow
//
// Everything that takes longer than a moment goes this way, and nothing else moves state:
//
//	request ─► ViewSet ─► BEGIN · host's own rows? · task · reservations · ready message · COMMIT ─► 202 {"task": href}
//	worker  ◄─ claim: BEGIN · pop message · task running · COMMIT
//	  └─► handler ─► BEGIN · its last writes · task completed · reservations freed · successors readied · COMMIT
//
// Four short cuts save transactions, and change nothing of what can be seen between them:
//
//   - A task that may run at once on a free worker of this process is written as running in the
//     first transaction, and there is no message.
//   - A task whose handler is [Task.RunTx] runs in the first transaction, and is final in it.
//   - The last transaction also claims what the same worker runs next.
//   - A task that waits is canceled in one transaction: task canceled · message gone ·
//     reservations freed · successors readied.
//
// A task that is held back ([At], [After], the pause of a [Retry]) is written without
// reservations, and goes on when it is due:
//
//	clock   ─► BEGIN · place in line · reservations · ready message · COMMIT
//	        ─► BEGIN · time of a [Schedule] advanced · its task, as a request would · COMMIT
//
// Wake-ups are hints; the rows are the truth. What a killed process left, the next Open puts in
// order: see [Open].
//
// # Content
//
// A unit of content has fields, which its plugin names, and files. It never changes, and any
// number of repositories hold it. A [Repository] has a history of versions, each a set of units;
// a [Version] never changes either. What makes a new version is a task that reserves the
// repository exclusively: a [Sync] with a [Remote], or a change by a client. A version is built
// unseen, by [NewVersion], and appears in the transaction that completes the task. A
// [Publication] is what a version looks like to clients, a [Distribution] is the path where
// they find it, and a [Guard] decides who gets what is there.
//
// # Starting
//
//	db, err := sqlite.Open("data")                    // one directory
//	app, err := pulp.Open(ctx, db, pulp.Config{Plugins: []pulp.Plugin{...}})
//	mux.Handle("/pulp/", httpapi.Handler(app))        // in your own server
//	err = app.Run(ctx)                                // tasks, until ctx ends
//	err = app.Close()
//
// [Config.Inline] has tasks run where they are dispatched, and [App.RunReady] runs what is there
// and returns, for programs that do one thing and exit. Package pulptest has what tests of
// tasks and plugins need.
//
// Two Apps in one process do not know of each other: there are no globals and no registration.
package pulp
