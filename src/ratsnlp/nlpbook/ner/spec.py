"""All that the rest of the library has to know of named entity recognition."""

from ratsnlp.nlpbook.arguments import LAST_EPOCH
from ratsnlp.nlpbook.tasks import Baseline, Demo, DemoPage, TaskSpec

HERE = "ratsnlp.nlpbook.ner"
SENTENCES = (
    "김서연 씨는 지난 3월 부산에서 열린 대회에서 2위를 했다.",
    "한국은행은 오늘 오전 아홉 시에 금리를 0.25% 내렸다.",
    "이번 주말에 제주도에서 민준이와 사흘 동안 머물 거예요.",
)

SPEC = TaskSpec(
    name="ner",
    task_name="named-entity-recognition",
    title="Named entity recognition",
    arguments=f"{HERE}.arguments:NERTrainArguments",
    deploy_arguments=f"{HERE}.arguments:NERDeployArguments",
    corpora={"klue-ner": f"{HERE}.corpus:KlueNERCorpus", "ner": f"{HERE}.corpus:NERCorpus"},
    dataset=f"{HERE}.dataset:NERDataset",
    task=f"{HERE}.task:NERTask",
    model="transformers:AutoModelForTokenClassification",
    pipeline="token-classification",
    predictor=f"{HERE}.predictor:NERPredictor",
    page=DemoPage(
        template="ner.html",
        title="개체명 인식",
        fields=("sentence",),
        examples=tuple((sentence,) for sentence in SENTENCES),
    ),
    demo=Demo(
        settings={
            "max_seq_length": 96,
            "epochs": 12,
            "learning_rate": 4e-4,
            "hidden_dropout": 0.0,
            "monitor": LAST_EPOCH,
        },
        inputs=SENTENCES,
        shown=("tagged",),
    ),
    baselines={
        "dictionary": Baseline(
            function=f"{HERE}.baseline:score_dictionary",
            help="entities: also score a dictionary of the training entities",
        )
    },
    notebooks=("ner_train", "ner_deploy"),
)

get_web_service_app = SPEC.get_web_service_app
