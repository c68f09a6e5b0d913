"""All that the rest of the library has to know of document classification."""

from ratsnlp.nlpbook.arguments import LAST_EPOCH
from ratsnlp.nlpbook.tasks import Demo, DemoPage, TaskSpec

HERE = "ratsnlp.nlpbook.classification"

SPEC = TaskSpec(
    name="classification",
    task_name="document-classification",
    title="Document classification",
    arguments=f"{HERE}.arguments:ClassificationTrainArguments",
    deploy_arguments=f"{HERE}.arguments:ClassificationDeployArguments",
    corpora={"nsmc": f"{HERE}.corpus:NsmcCorpus"},
    table=f"{HERE}.corpus:TableCorpus",
    dataset=f"{HERE}.dataset:ClassificationDataset",
    task=f"{HERE}.task:ClassificationTask",
    model="transformers:AutoModelForSequenceClassification",
    pipeline="text-classification",
    predictor=f"{HERE}.predictor:ClassificationPredictor",
    page=DemoPage(
        template="classification.html",
        title="문서 분류",
        fields=("sentence",),
        examples=(
            ("두 시간이 십 분처럼 지나갔어요. 또 보고 싶네요!",),
            ("배우 연기는 좋은데 이야기가 너무 지루했다",),
            ("기대 안 했는데 생각보다 나쁘지 않네 ㅋㅋ",),
        ),
    ),
    demo=Demo(
        # the last epoch is taken: which one is best, so few rows held out cannot tell
        settings={"max_seq_length": 64, "epochs": 2, "learning_rate": 1e-4, "monitor": LAST_EPOCH},
        inputs=("정말 재미있어요 강력 추천합니다", "지루하고 돈이 아까운 영화", "배우들 연기가 최고였다"),
        shown=("sentence", "prediction"),
    ),
    notebooks=("classification_train", "classification_deploy"),
)

get_web_service_app = SPEC.get_web_service_app
