package pulp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
)

// The plugin "box" has what "file" has not: units with any number of files, at paths of their
// own, of which a version holds one for each name; publications that let nothing through; and
// distributions that serve versions as they are.

type boxContent struct {
	Name    string `json:"name" validate:"required" pulp:"key,slot,filter"`
	Version string `json:"version" validate:"required" pulp:"key"`
}

type boxPublication struct {
	Index string `json:"index" default:"index"`
}

// A boxLine is a line of a remote's list of boxes.
type boxLine struct {
	Name, Version string
	Files         []boxFile
	Panic         bool
}

type boxFile struct {
	Path, URL, SHA256 string
	Size              int64
}

// A boxPlugin is the plugin of one App.
type boxPlugin struct {
	contents     *pulp.ContentType[boxContent]
	publications *pulp.PublicationType[boxPublication]
	gate         *pulptest.Gate // where publishing waits
}

func newBoxes() *boxPlugin {
	b := &boxPlugin{gate: pulptest.NewGate(), contents: &pulp.ContentType[boxContent]{Name: "box"}}
	b.gate.Open()
	b.publications = &pulp.PublicationType[boxPublication]{Name: "box", Repositories: "box", Publish: b.publish}
	return b
}

func (b *boxPlugin) plugin() pulp.Plugin {
	remotes := &pulp.RemoteType[pulp.None]{Name: "box"}
	repositories := &pulp.RepositoryType[pulp.None]{Name: "box", Content: []pulp.Part{b.contents}, Remotes: []pulp.Part{remotes}, Sync: pulp.SyncFunc(b.sync)}
	distributions := &pulp.DistributionType[pulp.None]{Name: "box"}
	return pulp.Plugin{Name: "box", Version: "1.0.0", Parts: []pulp.Part{b.contents, remotes, repositories, b.publications, distributions}}
}

func (b *boxPlugin) sync(ctx context.Context, s *pulp.Sync, _ *pulp.Repository[pulp.None], remote *pulp.Remote[pulp.None], _ pulp.SyncArgs) error {
	list, err := s.Get(ctx, remote.URL)
	if err != nil {
		return err
	}
	for d := json.NewDecoder(list); ; {
		var l boxLine
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if l.Panic {
			panic("a plugin's mistake")
		}
		var files []pulp.Remotely
		for _, f := range l.Files {
			files = append(files, pulp.Remotely(pulp.Remotely{Path: f.Path, URL: f.URL, SHA256: f.SHA256, Size: f.Size}))
		}
		if err := s.Put(ctx, b.contents.Unit(boxContent{l.Name, l.Version}, files...)); err != nil {
			return err
		}
	}
}

func (b *boxPlugin) publish(ctx context.Context, p *pulp.Publishing, pub *pulp.Publication[boxPublication]) error {
	if err := b.gate.Pass(ctx); err != nil {
		return err
	}
	return p.Write(ctx, pub.Detail.Index, func(w io.Writer) error {
		for f, err := range p.Files(ctx) {
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(w, f.Path); err != nil {
				return err
			}
		}
		return nil
	})
}

// A box is a line of a list of boxes: name, version, and the paths of its files, whose bytes
// are their paths and the version.
func box(up *pulptest.Upstream, name, version string, paths ...string) string {
	l := boxLine{Name: name, Version: version}
	for _, path := range paths {
		at := name + "-" + version + "/" + path
		body := path + version
		up.Put(at, body)
		_, sum, _ := strings.Cut(pulptest.Line("", []byte(body)), ",")
		sha256, _, _ := strings.Cut(sum, ",")
		l.Files = append(l.Files, boxFile{path, up.URL(at), sha256, int64(len(body))})
	}
	text, err := json.Marshal(l)
	if err != nil {
		panic(err)
	}
	return string(text) + "\n"
}
