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
// A task that may run at once on a free worker of this process is written as running in the
// first transaction, and there is no message. Wake-ups are hints; the rows are the truth.
//
// # Content
//
// A unit of content has fields, which its plugin names, and files. It never changes, and any
// number of repositories hold it. A [Repository] has a history of versions, each a set of units;
// a [Version] never changes either. What makes a new version is a task that reserves the
// repository exclusively: a [Sync] with a [Remote], or a change by a client. A version is built
// unseen, by [NewVersion], and appears in the transaction that completes the task. A
// [Publication] is what a version looks like to clients, a [Distribution] is the path where
// they find it.
//
// # Starting
//
//	db, err := sqlite.Open("data")                    // one directory
//	app, err := pulp.Open(ctx, db, pulp.Config{Plugins: []pulp.Plugin{...}})
//	mux.Handle("/pulp/", httpapi.Handler(app))        // in your own server
//	err = app.Run(ctx)                                // tasks, until ctx ends
//	err = app.Close()
//
// Two Apps in one process do not know of each other: there are no globals and no registration.
package pulp
