package pulp

import (
	"encoding/json"
	"slices"

	"github.com/uptrace/bun"
)

// masters are the read-only collections that hold the objects of all types of a kind:
// "repositories/", "content/", ...
type masters struct{}

func masterViews() Part { return masters{} }

func (masters) declare(r *registry, owner Plugin) error {
	type raw = json.RawMessage
	parts := []Part{
		&ViewSet[Repository[raw]]{Path: "repositories", Name: "repository", class: "Repository", kind: repositoryKind, sorts: repositorySorts, Ops: List, labels: true, master: true, Scope: alive,
			Serializer: Serializer[Repository[raw]]{Computed: versionLinks[raw](r)},
			Filters:    repositoryFilters()},
		&ViewSet[Remote[raw]]{Path: "remotes", Name: "remote", class: "GenericRemote", kind: remoteKind, sorts: remoteSorts(), Ops: List, labels: true, master: true, Scope: alive,
			Filters: timeFilters("pulp_last_updated", "rm.pulp_last_updated")},
		&ViewSet[Content[raw]]{Path: "content", Name: "content", class: "MultipleArtifactContent", kind: contentKind, Ops: List, labels: true, master: true,
			Serializer: Serializer[Content[raw]]{Computed: fileFields[raw](false, nil)}, Filters: contentFilters()},
		&ViewSet[Publisher[raw]]{Path: "publishers", Name: "publisher", class: "Publisher", kind: publisherKind, Ops: List, labels: true, master: true},
		&ViewSet[Publication[raw]]{Path: "publications", Name: "publication", class: "Publication", kind: publicationKind, Ops: List, master: true,
			Serializer: Serializer[Publication[raw]]{Computed: publicationFields[raw]()[:1]},
			Filters:    publicationFilters(), without: []string{"checkpoint"}, sorts: publicationSorts,
			Scope: func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("p.complete") }},
		&ViewSet[Distribution[raw]]{Path: "distributions", Name: "distribution", class: "Distribution", kind: distributionKind, Ops: List, labels: true, master: true,
			Serializer: Serializer[Distribution[raw]]{Computed: distributionFields[raw]()}, Filters: distributionFilters(),
			without: []string{"checkpoint", "remote"}, sorts: distributionSorts},
		&ViewSet[Guard[raw]]{Path: "contentguards", Name: "content guard", class: "ContentGuard", kind: guardKind, Ops: List, master: true},
		&ViewSet[Version]{Path: "repository_versions", Name: "repository version", class: "RepositoryVersion", kind: versionKind, sorts: versionSorts, Ops: List, master: true,
			Serializer: Serializer[Version]{Computed: []Computed[Version]{summaryField(), reportField()}},
			Filters:    slices.Concat(numberRange("number", "v.number"), timeFilters("pulp_created", "v.pulp_created"), []Filter{contentFilter("content", versionsWith), contentFilter("content__in", versionsWith)}),
			Scope:      func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("v.complete") }},
	}
	for _, p := range parts {
		if err := p.declare(r, owner); err != nil {
			return err
		}
	}
	return nil
}
