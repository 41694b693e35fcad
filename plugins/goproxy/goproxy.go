// Package goproxy is the plugin for Go modules. Below a distribution it speaks the protocol of module
// proxies (https://go.dev/ref/mod#goproxy-protocol): GOPROXY names the distribution's URL.
//
// A version of a module never changes in a repository. It comes there by an uploaded zip, by a sync of
// the modules that a remote lists, or when a client first asks for it: a distribution with a remote
// gets from there what it does not have, and its repository keeps it.
package goproxy

import (
	"context"
	"time"

	"golang.org/x/mod/module"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/plugins/goproxy/internal/protocol"
)

// Module is one of the two files of a version of a module that go.sum knows: its zip, or its go.mod,
// which clients read of modules of which they need no zip.
type Module struct {
	Module  string     `json:"module" pulp:"readonly,key,slot,filter" doc:"The module's path."`
	Version string     `json:"version" pulp:"readonly,key,slot,filter" doc:"The version, in its canonical form."`
	Kind    string     `json:"kind" pulp:"readonly,key,slot,filter" doc:"Which file it is: zip or mod."`
	Hash    string     `json:"hash" pulp:"readonly,key,filter" doc:"What go.sum says of the file."`
	Time    *pulp.Time `json:"time" doc:"When the version was made. Null means when it is uploaded."`
	Digest  string     `json:"digest" pulp:"hidden"` // sha256
}

// Remote is what a remote, another module proxy, has beyond any other.
type Remote struct {
	Modules []string `json:"modules" doc:"What sync brings in: PATH for all released versions, PATH@VERSION, or PATH@latest."`
}

// Plugin returns the plugin, to be named in [pulp.Config].
func Plugin() pulp.Plugin {
	return pulp.Plugin{Name: "goproxy", Version: "0.1.0", Parts: []pulp.Part{modules, remotes, repositories, distributions}}
}

var modules = &pulp.ContentType[Module]{
	Name: "module", Path: "modules", Reclaimable: true, FromFile: readUpload,
	FilePath: func(m *Module) string {
		return protocol.FileOf(module.Version{Path: m.Module, Version: m.Version}, m.Kind)
	},
}

var remotes = &pulp.RemoteType[Remote]{Name: "goproxy", Validate: func(_, r *pulp.Remote[Remote]) error {
	for _, entry := range r.Detail.Modules {
		if _, err := protocol.ParseEntry(entry); err != nil {
			return pulp.FieldErrors{"modules": {err.Error()}}
		}
	}
	return nil
}}

var repositories = &pulp.RepositoryType[pulp.None]{
	Name: "goproxy", Content: []pulp.Part{modules}, Remotes: []pulp.Part{remotes}, Immutable: true, Sync: pulp.SyncFunc(sync),
}

var distributions = &pulp.DistributionType[pulp.None]{Name: "goproxy", Remotes: []pulp.Part{remotes}, Live: httpapi.Live(routes)}

// sync puts the versions that the remote's list names. What is here already is not asked for again.
func sync(ctx context.Context, s *pulp.Sync, _ *pulp.Repository[pulp.None], remote *pulp.Remote[Remote], _ pulp.SyncArgs) error {
	read := s.Progress("sync.parsing.metadata", "Reading Modules", 0)
	for _, entry := range remote.Detail.Modules {
		m, _ := protocol.ParseEntry(entry) // it was asked when the remote was written
		here, err := modules.Held(ctx, s.Latest(), "module", m.Path)
		if err != nil {
			return err
		}
		versions, err := protocol.Wanted(ctx, s, m)
		for i := 0; i < len(versions) && err == nil; i++ {
			m.Version = versions[i]
			err = put(ctx, s, m, here, remote.Policy == pulp.Immediate)
			read.Add(1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// put hands on the files of a version. The zip is downloaded first, if it is wanted at all: nobody knows its digest.
func put(ctx context.Context, s *pulp.Sync, m module.Version, here held, zips bool) error {
	for _, kind := range []string{"mod", "zip"} {
		unit, err := (*pulp.Unit)(nil), error(nil)
		if c := here[protocol.FileOf(m, kind)]; c != nil {
			unit = modules.Unit(c.Detail, pulp.Remotely{URL: s.Below(protocol.FileOf(m, kind)), SHA256: c.Detail.Digest, Size: -1})
		} else if kind == "mod" || zips {
			unit, err = pull(ctx, s, m, kind, here)
		} else {
			continue
		}
		if err == nil {
			err = s.Put(ctx, unit)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pull gets and checks a file of a version.
func pull(ctx context.Context, from pulp.Upstream, m module.Version, kind string, here held) (*pulp.Unit, error) {
	there, err := here.describe(ctx, from, m)
	if err == nil {
		err = there.Named(m)
	}
	if err != nil {
		return nil, err
	}
	in, hash, err := protocol.Fetch(ctx, from, m, kind)
	if err != nil {
		return nil, err
	}
	return modules.Unit(Module{m.Path, m.Version, kind, hash, there.Time, in.SHA256}, pulp.Remotely{Bytes: in}), nil
}

// held is what a version of a repository has of a module, by the paths of its files.
type held map[string]*pulp.Content[Module]

// describe is what is known of a version, here or there.
func (h held) describe(ctx context.Context, from pulp.Upstream, m module.Version) (protocol.Info, error) {
	for _, kind := range []string{"mod", "zip"} {
		if c := h[protocol.FileOf(m, kind)]; c != nil {
			return protocol.Info{Version: m.Version, Time: c.Detail.Time}, nil
		}
	}
	return protocol.Describe(ctx, from, m)
}

// readUpload fills in what a zip that a client uploads says of itself.
func readUpload(_ context.Context, d *Module, in *pulp.Incoming) error {
	m, hash, err := protocol.ReadZip(in)
	if err != nil {
		return pulp.FieldErrors{"file": {"This is no module zip: " + err.Error()}}
	}
	if d.Module, d.Version, d.Kind, d.Hash, d.Digest = m.Path, m.Version, "zip", hash, in.SHA256; d.Time == nil {
		now := pulp.TimeOf(time.Now())
		d.Time = &now
	}
	return nil
}
