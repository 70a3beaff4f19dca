{{- define "affidavit.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (default .Chart.Name .Values.nameOverride) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (default .Chart.Name .Values.nameOverride) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels of one workload: (dict "root" $ "component" "api"). */}}
{{- define "affidavit.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 63 }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "affidavit.labels" -}}
{{ include "affidavit.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "affidavit.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "affidavit.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "affidavit.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end -}}

{{- define "affidavit.claim" -}}
{{ .Values.storage.persistence.existingClaim | default (printf "%s-blobs" (include "affidavit.fullname" .)) }}
{{- end -}}

{{/* A variable from the Secret: (dict "root" $ "name" "AFFIDAVIT_REDIS_URL" "key" "redisUrl"). */}}
{{- define "affidavit.secretEnv" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .root.Values.secret.existingSecret }}
      key: {{ index .root.Values.secret.keys .key }}
{{- end -}}

{{/* What the chart decides, beside the settings: (dict "root" $ "own" (dict NAME VALUE …)). */}}
{{- define "affidavit.env" -}}
{{- $own := merge (dict
      "AFFIDAVIT_DATA_DIR" "/data"
      "AFFIDAVIT_PUBLIC_URL" .root.Values.publicUrl
      "AFFIDAVIT_LOG_FORMAT" "json"
      "AFFIDAVIT_METRICS_HOST" "0.0.0.0"
      "AFFIDAVIT_METRICS_PORT" (toString .root.Values.metrics.port)
    ) .own -}}
{{- if .root.Values.storage.blobUrl -}}
{{- $_ := set $own "AFFIDAVIT_BLOB_URL" .root.Values.storage.blobUrl -}}
{{- else -}}
{{- $_ := set $own "AFFIDAVIT_BLOB_URL" "file:///blobs" -}}
{{- end -}}
{{- if .root.Values.signing.existingSecret -}}
{{- $_ := set $own "AFFIDAVIT_SIGNING_KEY_DIR" "/signing-keys" -}}
{{- end -}}
{{- range $name, $value := mergeOverwrite (deepCopy .root.Values.settings) $own }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{ include "affidavit.secretEnv" (dict "root" .root "name" "AFFIDAVIT_DATABASE_URL" "key" "databaseUrl") }}
{{ include "affidavit.secretEnv" (dict "root" .root "name" "AFFIDAVIT_REDIS_URL" "key" "redisUrl") }}
{{ include "affidavit.secretEnv" (dict "root" .root "name" "AFFIDAVIT_SECRET_KEY" "key" "secretKey") }}
{{- with .root.Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "affidavit.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
{{- end -}}

{{- define "affidavit.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "affidavit.mounts" -}}
- { name: data, mountPath: /data }
- { name: tmp, mountPath: /tmp }
{{- if not .Values.storage.blobUrl }}
- { name: blobs, mountPath: /blobs }
{{- end }}
{{- if .Values.signing.existingSecret }}
- { name: signing-keys, mountPath: /signing-keys, readOnly: true }
{{- end }}
{{- end -}}

{{- define "affidavit.volumes" -}}
- name: data
  emptyDir: { sizeLimit: {{ .Values.storage.scratch.sizeLimit }} }
- name: tmp
  emptyDir: { sizeLimit: 1Gi }
{{- if not .Values.storage.blobUrl }}
- name: blobs
  persistentVolumeClaim: { claimName: {{ include "affidavit.claim" . }} }
{{- end }}
{{- if .Values.signing.existingSecret }}
- name: signing-keys
  secret: { secretName: {{ .Values.signing.existingSecret }}, defaultMode: 0440 } # for the pod's group
{{- end }}
{{- end -}}

{{/* Where a workload's pods go: (dict "root" $ "component" "api" "place" .Values.api). */}}
{{- define "affidavit.placement" -}}
{{- with .place.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .place.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .place.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
{{- with .place.topologySpreadConstraints }}
{{ toYaml . | indent 2 }}
{{- else }}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{ include "affidavit.selector" (dict "root" .root "component" .component) | nindent 8 }}
{{- end }}
{{- end -}}

{{/* Egress to a name server, and to one port: (dict "port" 5432 "to" (list …)). */}}
{{- define "affidavit.egress.names" -}}
- ports:
    - { port: 53, protocol: UDP }
    - { port: 53, protocol: TCP }
{{- end -}}

{{- define "affidavit.egress.port" -}}
- ports: [{ port: {{ .port }}, protocol: TCP }]
  {{- with .to }}
  to: {{ toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Egress to public addresses: (dict "ports" (list 443) "except" .Values.networkPolicy.egress). */}}
{{- define "affidavit.egress.public" -}}
- ports:
    {{- range .ports }}
    - { port: {{ . }}, protocol: TCP }
    {{- end }}
  to:
    - ipBlock:
        cidr: 0.0.0.0/0
        except: {{ toYaml .except.except | nindent 10 }}
    - ipBlock:
        cidr: ::/0
        except: {{ toYaml .except.exceptV6 | nindent 10 }}
{{- end -}}
