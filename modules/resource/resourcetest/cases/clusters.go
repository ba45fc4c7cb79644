package cases

import "github.com/kplan/kplan/modules/resource/resourcetest"

const (
	lawNamespace = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: kplan-law\n"
	lawConfig    = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, namespace: kplan-law}\ndata:\n  text: \"it's <one> & $HOME\"\n"
	lawSecond    = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: two, namespace: kplan-law}\n"
	lawKind      = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: laws.kplan.example}
spec:
  group: kplan.example
  scope: Cluster
  names: {plural: laws, singular: law, kind: Law}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`
	lawCustom = "apiVersion: kplan.example/v1\nkind: Law\nmetadata: {name: first}\nspec: {says: one}\n"
)

var clusters = []resourcetest.Case{
	{
		Type: "cluster_health", Name: "all of it", Needs: []string{"cluster"}, Stands: true, Calls: 2,
		Want: resourcetest.Values{"nodes": true, "dns": true, "pod_network": true, "service_address": true},
	},
	{
		Type: "manifest", Name: "objects that come and go", Needs: []string{"cluster"},
		Want: resourcetest.Values{"name": "law", "content": lawConfig + "---\n" + lawNamespace + "---\n" + lawSecond},
		Changes: []resourcetest.Values{
			{"content": lawNamespace + "---\n" + lawConfig + "  more: x\n"},
			{"content": "# only a comment\n---\n" + lawNamespace + "---\n" + lawConfig + "  more: x\n"},
			{"content": lawNamespace + "---\n" + lawSecond},
		},
	},
	{
		Type: "manifest", Name: "an object of its own kind", Needs: []string{"cluster"},
		Want: resourcetest.Values{"name": "law-kind", "content": lawCustom + "---\n" + lawKind, "wait": false},
		Changes: []resourcetest.Values{
			{"content": lawKind},
		},
	},
	{
		Type: "node", Name: "marks", Needs: []string{"cluster"},
		Want: resourcetest.Values{
			"name": "k8s-node1", "labels": map[string]string{"kplan-law": "one", "kplan.example/law": ""},
			"annotations": map[string]string{"kplan.example/note": "it's \"one\"\n"}, "taints": []string{"kplan-law=one:PreferNoSchedule"},
		},
		Changes: []resourcetest.Values{
			{"labels": map[string]string{"kplan-law": "two", "kplan.example/other": "x"}},
			{"annotations": map[string]string{}},
			{"taints": []string{}},
			{"taints": []string{"kplan-law:PreferNoSchedule", "kplan.example/second=x:PreferNoSchedule"}},
			{"taints": []string{"kplan.example/second=y:PreferNoSchedule"}},
			{"labels": map[string]string{}, "annotations": map[string]string{"kplan-law": "x"}},
		},
	},
}
